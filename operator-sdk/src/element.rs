//! The number types of buffers.

/// The type of each number of a buffer. The codes are those of the wire and of the C header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ElementType {
    Uint8 = 1,
    Uint16 = 2,
    Uint32 = 3,
    Uint64 = 4,
    Int8 = 5,
    Int16 = 6,
    Int32 = 7,
    Int64 = 8,
    Float16 = 9,
    Float32 = 10,
    Float64 = 11,
}

impl ElementType {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Float16,
        Self::Float32,
        Self::Float64,
    ];

    /// Its number on the wire.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The type of a number on the wire.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|element| element.code() == code)
    }

    /// Its name, as definitions of pipelines have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uint8 => "uint8",
            Self::Uint16 => "uint16",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Float16 => "float16",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
        }
    }

    /// The type of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|element| element.name() == name)
    }

    /// Bytes of one number.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Uint8 | Self::Int8 => 1,
            Self::Uint16 | Self::Int16 | Self::Float16 => 2,
            Self::Uint32 | Self::Int32 | Self::Float32 => 4,
            Self::Uint64 | Self::Int64 | Self::Float64 => 8,
        }
    }

    /// Bytes of a whole buffer; `None` if they are more than any address reaches.
    pub fn buffer_bytes(self, shape: &[u64]) -> Option<u64> {
        let count = if shape.contains(&0) {
            0
        } else {
            shape.iter().try_fold(1u64, |count, length| count.checked_mul(*length))?
        };
        count.checked_mul(self.bytes()).filter(|bytes| *bytes <= i64::MAX as u64)
    }
}

impl std::fmt::Display for ElementType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

mod sealed {
    pub trait Sealed {}
}

/// Rust's own number types that a buffer can hold: any bytes are a value of each. 16-bit floats have none; they are
/// reached as bytes.
pub trait Element: sealed::Sealed + Copy + 'static {
    /// What the wire calls it.
    const TYPE: ElementType;
}

macro_rules! elements {
    ($($rust:ty => $name:ident),*) => {
        $(impl sealed::Sealed for $rust {}
        impl Element for $rust {
            const TYPE: ElementType = ElementType::$name;
        })*
    };
}

elements!(u8 => Uint8, u16 => Uint16, u32 => Uint32, u64 => Uint64, i8 => Int8, i16 => Int16, i32 => Int32,
    i64 => Int64, f32 => Float32, f64 => Float64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_read_back_and_sizes_are_those_of_rust() {
        for element in ElementType::ALL {
            assert_eq!(ElementType::from_code(element.code()), Some(element));
            assert_eq!(ElementType::from_name(element.name()), Some(element));
            let bits: u64 = element.name().trim_start_matches(char::is_alphabetic).parse().unwrap();
            assert_eq!(element.bytes() * 8, bits);
        }
        assert_eq!((ElementType::from_code(0), ElementType::from_code(12)), (None, None));
        assert_eq!(u64::try_from(size_of::<i64>()).unwrap(), <i64 as Element>::TYPE.bytes());
    }

    #[test]
    fn sizes_that_no_address_reaches_are_none() {
        let bytes = |shape: &[u64]| ElementType::Float64.buffer_bytes(shape);
        assert_eq!(bytes(&[3, 5]), Some(120));
        assert_eq!((bytes(&[]), bytes(&[0]), bytes(&[u64::MAX, 0])), (Some(8), Some(0), Some(0)));
        assert_eq!((bytes(&[u64::MAX]), bytes(&[1 << 32, 1 << 32]), bytes(&[1 << 60])), (None, None, None));
    }
}
