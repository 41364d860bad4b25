//! Parsers for the values of options.

use glam::DVec3;

/// `WxH`, two positive whole numbers up to the largest picture; one number is a square.
pub(super) fn size(text: &str) -> Result<[u32; 2], String> {
    let wrong = || {
        let max = render_core::scene::MAX_PICTURE_PX;
        format!("expected WIDTHxHEIGHT between 1x1 and {max}x{max}, like 512x512")
    };
    let (width, height) = text.split_once(['x', 'X', '×']).unwrap_or((text, text));
    let number = |t: &str| {
        t.trim().parse::<u32>().ok().filter(|n| (1..=render_core::scene::MAX_PICTURE_PX).contains(n))
    };
    Ok([number(width).ok_or_else(wrong)?, number(height).ok_or_else(wrong)?])
}

/// `x,y,z`, three finite numbers.
pub(super) fn triple(text: &str) -> Result<DVec3, String> {
    numbers(text).map(DVec3::from_array).ok_or_else(|| "expected three numbers, like 12.5,-40,3".to_owned())
}

/// `C,W`: window center and width; the width must be positive.
pub(super) fn window(text: &str) -> Result<[f64; 2], String> {
    numbers(text)
        .filter(|[_, width]| *width > 0.0)
        .ok_or_else(|| "expected CENTER,WIDTH with a positive width, like 40,400".to_owned())
}

fn numbers<const N: usize>(text: &str) -> Option<[f64; N]> {
    let parsed: Vec<f64> = text
        .split(',')
        .map(|part| part.trim().parse::<f64>().ok().filter(|v| v.is_finite()))
        .collect::<Option<_>>()?;
    parsed.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_two_positive_whole_numbers() {
        assert_eq!(size("640x480"), Ok([640, 480]));
        assert_eq!(size("640"), Ok([640, 640]));
        for wrong in ["", "0x5", "640x", "99999x5", "-1x2", "6.5x2"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn triples_are_three_finite_numbers() {
        assert_eq!(triple("1, -2.5,3e1"), Ok(DVec3::new(1.0, -2.5, 30.0)));
        for wrong in ["1,2", "1,2,3,4", "a,b,c", "nan,1,2", "inf,0,0", ""] {
            assert!(triple(wrong).is_err(), "{wrong}");
        }
        assert!(window("40,0").is_err());
    }
}
