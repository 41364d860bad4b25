//! Lossless JPEG (process 14, all predictors), the way scanners write it: all components in one scan, none subsampled.
//!
//! Written for speed, since whole series come this way: stuffing is taken out first, then one table lookup yields most
//! differences whole. Anything unusual is left to the general decoder.
//!
//! Source: ITU-T T.81, annexes F.2.2.3, H.

/// Bits that are looked up at once; longer codes are searched for.
const LOOKUP_BITS: u32 = 12;

/// Decodes to samples in the order of the scan, components interleaved.
///
/// `None` for data that the general decoder should have a look at: another process, several scans, subsampling, or
/// restart intervals that are no whole rows.
///
/// # Errors
/// A sentence for a person.
pub(super) fn decode(bytes: &[u8]) -> Option<Result<Vec<u16>, String>> {
    let scan = Scan::parse(bytes)?;
    let mut out = Vec::new();
    // A sample takes one bit at least; asked before memory is reserved.
    if scan.is_long_enough() {
        out = vec![0; scan.samples()];
    }
    Some(scan.decode(&mut out).map(|()| out).map_err(str::to_owned))
}

/// As [`decode`], into samples that exist already, as many as the image has.
pub(super) fn decode_into(bytes: &[u8], out: &mut [u16]) -> Option<Result<(), String>> {
    let scan = Scan::parse(bytes)?;
    Some(scan.decode(out).map_err(str::to_owned))
}

/// A scan with all that is needed to decode it.
struct Scan<'a> {
    width: usize,
    height: usize,
    precision: u8,
    /// One table for each component.
    tables: Vec<Table>,
    predictor: u8,
    point_transform: u8,
    /// Rows between restart markers.
    restart_rows: Option<usize>,
    data: &'a [u8],
}

impl<'a> Scan<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(&[0xFF, 0xD8])?;
        let mut known: [Option<Table>; 4] = [const { None }; 4];
        let mut frame: Option<(u8, usize, usize, Vec<u8>)> = None;
        let mut restart_interval = 0;
        loop {
            let [0xFF, marker, tail @ ..] = rest else { return None };
            if *marker == 0xFF {
                rest = rest.get(1..)?;
                continue;
            }
            let len = usize::from(u16::from_be_bytes(*tail.first_chunk::<2>()?));
            let body = tail.get(2..len)?;
            rest = tail.get(len..)?;
            match (marker, body) {
                (0xC3, &[precision, h0, h1, w0, w1, count, ref components @ ..]) => {
                    let is_plain = components.chunks_exact(3).all(|c| c.get(1) == Some(&0x11));
                    let ids: Vec<u8> =
                        components.chunks_exact(3).filter_map(|c| c.first().copied()).collect();
                    let (width, height) = (u16::from_be_bytes([w0, w1]), u16::from_be_bytes([h0, h1]));
                    let is_usual = is_plain && ids.len() == usize::from(count) && matches!(count, 1 | 3);
                    if !is_usual || !(2..=16).contains(&precision) || width == 0 || height == 0 {
                        return None;
                    }
                    frame = Some((precision, usize::from(width), usize::from(height), ids));
                }
                (0xC0..=0xC2 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF, _) => return None,
                (0xC4, _) => {
                    let mut tables = body;
                    while let [class_and_id, tail @ ..] = tables {
                        let counts = tail.first_chunk::<16>()?;
                        let total: usize = counts.iter().map(|&n| usize::from(n)).sum();
                        let values = tail.get(16..16 + total)?;
                        *known.get_mut(usize::from(*class_and_id))? = Some(Table::new(counts, values)?);
                        tables = tail.get(16 + total..)?;
                    }
                }
                (0xDD, &[high, low]) => restart_interval = usize::from(u16::from_be_bytes([high, low])),
                (0xDA, &[count, ref parameters @ ..]) => {
                    let (precision, width, height, ids) = frame?;
                    let components = parameters.get(..2 * usize::from(count))?;
                    let &[predictor, _, approximation] = parameters.get(components.len()..)? else {
                        return None;
                    };
                    let is_in_order = components.chunks_exact(2).map(|c| c.first()).eq(ids.iter().map(Some));
                    let tables: Option<Vec<Table>> = components
                        .chunks_exact(2)
                        .map(|c| known.get(usize::from(c.get(1)? >> 4))?.clone())
                        .collect();
                    let point_transform = approximation & 15;
                    let is_usual = is_in_order
                        && (1..=7).contains(&predictor)
                        && point_transform < precision
                        && restart_interval % width == 0;
                    return is_usual.then_some(Self {
                        width,
                        height,
                        precision,
                        tables: tables?,
                        predictor,
                        point_transform,
                        restart_rows: (restart_interval > 0).then_some(restart_interval / width),
                        data: rest,
                    });
                }
                (0xD8 | 0xD9, _) => return None,
                _ => {}
            }
        }
    }

    fn samples(&self) -> usize {
        self.width * self.tables.len() * self.height
    }

    fn is_long_enough(&self) -> bool {
        self.samples() / 8 <= self.data.len()
    }

    fn decode(&self, out: &mut [u16]) -> Result<(), &'static str> {
        let row = self.width * self.tables.len();
        if !self.is_long_enough() {
            return Err("lossless JPEG data is too short for its image");
        }
        if out.len() != self.samples() {
            return Err("the lossless JPEG image has another size than its voxels");
        }
        let mut rest = self.data;
        for interval in out.chunks_mut(row * self.restart_rows.unwrap_or(self.height)) {
            let (packed, tail) = unstuffed(rest);
            rest = tail;
            let mut bits = Bits::new(&packed);
            match self.tables.as_slice() {
                [table] => self.interval::<1>(&mut bits, [table], interval)?,
                [a, b, c] => self.interval::<3>(&mut bits, [a, b, c], interval)?,
                _ => return Err("lossless JPEG with an odd number of components"),
            }
            if bits.is_overrun() {
                return Err("lossless JPEG data ends early");
            }
        }
        if self.point_transform > 0 {
            out.iter_mut().for_each(|sample| *sample <<= self.point_transform);
        }
        Ok(())
    }

    /// Decodes the rows up to a restart marker.
    fn interval<const N: usize>(
        &self,
        bits: &mut Bits<'_>,
        tables: [&Table; N],
        out: &mut [u16],
    ) -> Result<(), &'static str> {
        let row = self.width * N;
        let (first, others) = out.split_at_mut(row);
        // Before the first sample: the middle of the range. The rest of the first row is predicted from the left.
        let middle = 1u16 << (self.precision - self.point_transform - 1);
        predict_row(bits, tables, [middle; N], &[], first, |left, _, _| left)?;
        let mut above: &[u16] = first;
        for line in others.chunks_exact_mut(row) {
            let start = above.first_chunk::<N>().copied().unwrap_or([middle; N]);
            let half = |a: u16, b: u16| ((i32::from(a) - i32::from(b)) >> 1) as u16;
            match self.predictor {
                1 => predict_row(bits, tables, start, above, line, |a, _, _| a),
                2 => predict_row(bits, tables, start, above, line, |_, b, _| b),
                3 => predict_row(bits, tables, start, above, line, |_, _, c| c),
                4 => {
                    predict_row(bits, tables, start, above, line, |a, b, c| a.wrapping_add(b).wrapping_sub(c))
                }
                5 => predict_row(bits, tables, start, above, line, |a, b, c| a.wrapping_add(half(b, c))),
                6 => predict_row(bits, tables, start, above, line, |a, b, c| b.wrapping_add(half(a, c))),
                _ => predict_row(bits, tables, start, above, line, |a, b, _| {
                    ((u32::from(a) + u32::from(b)) >> 1) as u16
                }),
            }?;
            above = line;
        }
        Ok(())
    }
}

/// Decodes one row: `predict` gets the samples to the left, above, and above left.
#[inline(always)]
fn predict_row<const N: usize>(
    bits: &mut Bits<'_>,
    tables: [&Table; N],
    start: [u16; N],
    above: &[u16],
    line: &mut [u16],
    predict: impl Fn(u16, u16, u16) -> u16,
) -> Result<(), &'static str> {
    let mut left = start;
    // The first column is predicted from above alone, which `start` is.
    let mut corner: Option<[u16; N]> = None;
    let mut above = above.as_chunks::<N>().0.iter();
    for pixel in line.as_chunks_mut::<N>().0 {
        let top = above.next().copied().unwrap_or([0; N]);
        for i in 0..N {
            let prediction = match corner {
                Some(corner) => predict(left[i], top[i], corner[i]),
                None => start[i],
            };
            pixel[i] = prediction.wrapping_add(tables[i].difference(bits)?);
        }
        left = *pixel;
        corner = Some(top);
    }
    Ok(())
}

/// What the next bits stand for.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    /// Bits to take: of the code, or of the code and the difference after it.
    len: u8,
    /// Bits of the difference that follow, or one of the marks below.
    size: u8,
    difference: u16,
}

/// The whole difference is in the entry.
const WHOLE: u8 = 0xFF;
/// The code is longer than what is looked up.
const LONG: u8 = 0xFE;

/// A Huffman table for differences.
#[derive(Clone)]
struct Table {
    lookup: Vec<Entry>,
    /// By length: one more than the last code, and its size's place in `sizes` less the first code.
    ends: [(u32, i32); 17],
    sizes: Vec<u8>,
}

impl Table {
    /// `counts` of codes by length from 1, and the sizes they stand for.
    fn new(counts: &[u8; 16], sizes: &[u8]) -> Option<Self> {
        if sizes.iter().any(|&size| size > 16) {
            return None;
        }
        let mut lookup = vec![Entry { size: LONG, ..Entry::default() }; 1 << LOOKUP_BITS];
        let mut ends = [(0, 0); 17];
        let (mut code, mut place) = (0u32, 0usize);
        for (len, &count) in (1u32..).zip(counts) {
            let first = code;
            for &size in sizes.get(place..place + usize::from(count))? {
                if code >> len != 0 {
                    return None;
                }
                if len <= LOOKUP_BITS {
                    let free = LOOKUP_BITS - len;
                    for low in 0..1u32 << free {
                        let entry = Self::entry(len, size, low, free);
                        *lookup.get_mut((code << free | low) as usize)? = entry;
                    }
                }
                code += 1;
            }
            *ends.get_mut(len as usize)? = (code, place as i32 - first as i32);
            place += usize::from(count);
            code <<= 1;
        }
        Some(Self { lookup, ends, sizes: sizes.to_vec() })
    }

    /// For a code of `len` bits followed by the bits `low`, `free` of them.
    fn entry(len: u32, size: u8, low: u32, free: u32) -> Entry {
        let bits = u32::from(size) % 16;
        if bits > free {
            return Entry { len: len as u8, size, difference: 0 };
        }
        let difference = extend(low >> (free - bits), size);
        Entry { len: (len + bits) as u8, size: WHOLE, difference }
    }

    /// The next difference, modulo 65 536.
    #[inline(always)]
    fn difference(&self, bits: &mut Bits<'_>) -> Result<u16, &'static str> {
        bits.refill();
        let entry = self.lookup.get(bits.peek(LOOKUP_BITS) as usize).copied().unwrap_or_default();
        if entry.size == WHOLE {
            bits.skip(u32::from(entry.len));
            return Ok(entry.difference);
        }
        let size = if entry.size == LONG {
            self.long_code(bits)?
        } else {
            bits.skip(u32::from(entry.len));
            entry.size
        };
        let count = u32::from(size) % 16;
        let value = if count == 0 { 0 } else { bits.peek(count) };
        bits.skip(count);
        Ok(extend(value, size))
    }

    #[cold]
    fn long_code(&self, bits: &mut Bits<'_>) -> Result<u8, &'static str> {
        for len in LOOKUP_BITS + 1..=16 {
            let code = bits.peek(len);
            let (end, shift) = self.ends.get(len as usize).copied().unwrap_or_default();
            if code < end {
                bits.skip(len);
                let size = usize::try_from(code as i32 + shift).ok().and_then(|place| self.sizes.get(place));
                return size.copied().ok_or("lossless JPEG data is damaged");
            }
        }
        Err("lossless JPEG data is damaged")
    }
}

/// The difference that `size` bits stand for (T.81 table H.2); 16 bits stand for 32 768 and are not written.
#[inline(always)]
fn extend(value: u32, size: u8) -> u16 {
    match size {
        0 => 0,
        16 => 32768,
        _ if value >> (size - 1) == 0 => (value as u16).wrapping_sub((1 << size) - 1),
        _ => value as u16,
    }
}

/// Reads bits, most significant first; zeros after the end.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    /// The next bits at the top.
    buffer: u64,
    count: u32,
    /// Bits that were made up after the end.
    missing: u32,
}

impl<'a> Bits<'a> {
    fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, buffer: 0, count: 0, missing: 0 }
    }

    /// Makes at least 56 bits ready.
    #[inline(always)]
    fn refill(&mut self) {
        if self.count >= 32 {
            return;
        }
        match self.data.get(self.at..).and_then(<[u8]>::first_chunk::<8>) {
            Some(bytes) => {
                self.buffer |= u64::from_be_bytes(*bytes) >> self.count;
                self.at += ((63 - self.count) >> 3) as usize;
                self.count |= 56;
            }
            None => self.refill_slowly(),
        }
    }

    #[cold]
    fn refill_slowly(&mut self) {
        while self.count <= 56 {
            let byte = self.data.get(self.at).copied();
            self.missing += if byte.is_none() { 8 } else { 0 };
            self.buffer |= u64::from(byte.unwrap_or(0)) << (56 - self.count);
            self.at += 1;
            self.count += 8;
        }
    }

    #[inline(always)]
    fn peek(&self, count: u32) -> u32 {
        (self.buffer >> (64 - count)) as u32
    }

    #[inline(always)]
    fn skip(&mut self, count: u32) {
        self.buffer <<= count;
        self.count -= count;
    }

    /// Whether bits after the end were taken.
    fn is_overrun(&self) -> bool {
        self.missing > self.count
    }
}

/// The data up to the next marker without stuffed zeros, and what follows that marker.
fn unstuffed(data: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut out = Vec::with_capacity(data.len());
    let mut rest = data;
    loop {
        let Some(at) = rest.iter().position(|&byte| byte == 0xFF) else {
            out.extend_from_slice(rest);
            return (out, &[]);
        };
        let (plain, tail) = rest.split_at(at);
        out.extend_from_slice(plain);
        match tail {
            [0xFF, 0x00, after @ ..] => {
                out.push(0xFF);
                rest = after;
            }
            // Fill bytes before a marker.
            [0xFF, 0xFF, ..] => rest = tail.get(1..).unwrap_or_default(),
            [0xFF, _, after @ ..] => return (out, after),
            _ => return (out, &[]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_extend_as_in_the_standard() {
        let found =
            [(0, 0), (0, 1), (1, 1), (0, 3), (3, 3), (4, 3), (7, 3), (0, 16)].map(|(v, s)| extend(v, s));
        assert_eq!(found.map(u16::cast_signed), [0, -1, 1, -7, -4, 4, 7, i16::MIN]);
    }

    #[test]
    fn stuffing_and_markers_are_taken_out() {
        let (data, rest) = unstuffed(&[1, 0xFF, 0, 2, 0xFF, 0xFF, 0xD0, 7, 8]);
        assert_eq!((data.as_slice(), rest), ([1, 0xFF, 2].as_slice(), [7, 8].as_slice()));
        assert_eq!(unstuffed(&[5, 0xFF]).0, [5]);
    }

    #[test]
    fn bits_after_the_end_are_noticed() {
        let mut bits = Bits::new(&[0xA5]);
        bits.refill();
        assert_eq!(bits.peek(8), 0xA5);
        bits.skip(8);
        assert!(!bits.is_overrun());
        bits.skip(1);
        assert!(bits.is_overrun());
    }

    #[test]
    fn long_and_short_codes_are_found() {
        // One code of one bit for size 0, one of fourteen bits for size 2.
        let mut counts = [0; 16];
        (counts[0], counts[13]) = (1, 1);
        let table = Table::new(&counts, &[0, 2]).unwrap();
        // 0, then 10…0 (14 bits) and the difference 11, then 0.
        let mut bits = Bits::new(&[0b0100_0000, 0b0000_0001, 0b1000_0000]);
        let found = [0; 3].map(|_| table.difference(&mut bits).unwrap());
        assert_eq!(found, [0, 3, 0]);
    }
}
