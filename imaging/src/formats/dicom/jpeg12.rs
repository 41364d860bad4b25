//! Lossy grey JPEG with 12 bits per sample, which general JPEG decoders leave out: sequential and progressive
//! Huffman coding of one component.
//!
//! Source: ITU-T T.81 (sequential: F.2, progressive: G.2).

/// Most scans of a progressive image; each takes a pass over all blocks.
const MAX_SCANS: usize = 200;

/// Order in which coefficients are coded, as indices into rows of eight (T.81 figure 5).
const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];

type Block = [i32; 64];

/// Decodes to one `u16` per pixel, rows top to bottom. The caller has checked the size in the header.
///
/// # Errors
/// A sentence for a person; data that ends early is an error, not a grey area.
pub(crate) fn decode(data: &[u8]) -> Result<Vec<u16>, String> {
    let mut image = Image::default();
    let mut rest = data.get(2..).ok_or("JPEG data is too short")?;
    let mut scans = 0;
    loop {
        // Between segments: fill bytes, then a marker.
        let start = rest.iter().position(|&byte| byte == 0xFF).ok_or("JPEG data ends without end marker")?;
        let [_, marker, tail @ ..] = rest.get(start..).unwrap_or_default() else {
            return Err("JPEG data ends without end marker".to_owned());
        };
        match marker {
            0xD9 => break,
            0xFF | 0x00 | 0x01 | 0xD0..=0xD8 => {
                rest = rest.get(start + 1..).unwrap_or_default();
                continue;
            }
            _ => {}
        }
        let len = tail.first_chunk::<2>().map_or(0, |bytes| usize::from(u16::from_be_bytes(*bytes)));
        let body = tail.get(2..len).ok_or("JPEG segment is cut off")?;
        rest = tail.get(len..).unwrap_or_default();
        match marker {
            0xC0..=0xC2 => image.start_frame(body, *marker == 0xC2)?,
            0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                return Err("this JPEG process with 12 bits is not supported".to_owned());
            }
            0xC4 => image.define_huffman(body)?,
            0xDB => image.define_quantisation(body)?,
            0xDD => {
                let interval = body.first_chunk::<2>().ok_or("JPEG restart segment is cut off")?;
                image.restart_interval = usize::from(u16::from_be_bytes(*interval));
            }
            0xDA => {
                scans += 1;
                if scans > MAX_SCANS {
                    return Err("JPEG data has too many scans".to_owned());
                }
                let used = image.scan(body, rest)?;
                rest = rest.get(used..).unwrap_or_default();
            }
            _ => {}
        }
    }
    if scans == 0 {
        return Err("JPEG data holds no scan".to_owned());
    }
    image.samples()
}

#[derive(Default)]
struct Image {
    width: usize,
    height: usize,
    precision: u8,
    is_progressive: bool,
    quantisation_index: usize,
    quantisation: [Option<[u16; 64]>; 4],
    dc_tables: [Option<Huffman>; 4],
    ac_tables: [Option<Huffman>; 4],
    restart_interval: usize,
    blocks: Vec<Block>,
}

/// Parameters of one scan.
struct Scan<'a> {
    dc: Option<&'a Huffman>,
    ac: Option<&'a Huffman>,
    /// Spectral selection, inclusive.
    first: usize,
    last: usize,
    /// Successive approximation: bit position before (0 for a first pass) and now.
    high: u8,
    low: u8,
}

impl Image {
    fn start_frame(&mut self, body: &[u8], is_progressive: bool) -> Result<(), String> {
        let &[precision, h0, h1, w0, w1, 1, _, _, table, ..] = body else {
            return Err("lossy JPEG with 12 bits is supported for grey images only".to_owned());
        };
        self.height = usize::from(u16::from_be_bytes([h0, h1]));
        self.width = usize::from(u16::from_be_bytes([w0, w1]));
        self.precision = precision;
        self.is_progressive = is_progressive;
        self.quantisation_index = usize::from(table);
        if !matches!(precision, 8 | 12) || !self.blocks.is_empty() {
            return Err("JPEG frame header makes no sense".to_owned());
        }
        self.blocks = vec![[0; 64]; self.width.div_ceil(8) * self.height.div_ceil(8)];
        Ok(())
    }

    fn define_quantisation(&mut self, mut body: &[u8]) -> Result<(), String> {
        while let Some((&head, tail)) = body.split_first() {
            let is_wide = head >> 4 != 0;
            let size = if is_wide { 128 } else { 64 };
            let values = tail.get(..size).ok_or("JPEG quantisation table is cut off")?;
            let mut table = [0; 64];
            for (i, entry) in table.iter_mut().enumerate() {
                let at = |i: usize| values.get(i).copied().unwrap_or(0);
                *entry =
                    if is_wide { u16::from_be_bytes([at(2 * i), at(2 * i + 1)]) } else { u16::from(at(i)) };
            }
            *self.quantisation.get_mut(usize::from(head & 15)).ok_or("JPEG table number is too large")? =
                Some(table);
            body = tail.get(size..).unwrap_or_default();
        }
        Ok(())
    }

    fn define_huffman(&mut self, mut body: &[u8]) -> Result<(), String> {
        while let Some((&head, tail)) = body.split_first() {
            let counts = tail.first_chunk::<16>().ok_or("JPEG Huffman table is cut off")?;
            let total: usize = counts.iter().map(|&count| usize::from(count)).sum();
            let symbols = tail.get(16..16 + total).ok_or("JPEG Huffman table is cut off")?;
            let tables = if head >> 4 == 0 { &mut self.dc_tables } else { &mut self.ac_tables };
            *tables.get_mut(usize::from(head & 15)).ok_or("JPEG table number is too large")? =
                Some(Huffman::new(counts, symbols));
            body = tail.get(16 + total..).unwrap_or_default();
        }
        Ok(())
    }

    /// Decodes one scan into the blocks; returns the bytes it took.
    fn scan(&mut self, body: &[u8], data: &[u8]) -> Result<usize, String> {
        let &[1, _, tables, first, last, approximation, ..] = body else {
            return Err("JPEG scan header makes no sense".to_owned());
        };
        let table =
            |tables: &[Option<Huffman>; 4], index: u8| tables.get(usize::from(index)).and_then(Clone::clone);
        let (dc, ac) = (table(&self.dc_tables, tables >> 4), table(&self.ac_tables, tables & 15));
        let scan = Scan {
            dc: dc.as_ref(),
            ac: ac.as_ref(),
            first: usize::from(first),
            last: usize::from(last),
            high: approximation >> 4,
            low: approximation & 15,
        };
        if scan.first > scan.last || scan.last > 63 || scan.low > 13 {
            return Err("JPEG scan header makes no sense".to_owned());
        }
        let mut bits = Bits { data, at: 0, buffer: 0, count: 0 };
        let mut prediction = 0;
        let mut skip = 0;
        for (i, block) in self.blocks.iter_mut().enumerate() {
            if self.restart_interval > 0 && i > 0 && i % self.restart_interval == 0 {
                bits.restart()?;
                (prediction, skip) = (0, 0);
            }
            if !self.is_progressive {
                sequential(block, &scan, &mut bits, &mut prediction)?;
            } else if scan.first == 0 {
                progressive_dc(block, &scan, &mut bits, &mut prediction)?;
            } else if scan.high == 0 {
                progressive_ac(block, &scan, &mut bits, &mut skip)?;
            } else {
                refine_ac(block, &scan, &mut bits, &mut skip)?;
            }
        }
        Ok(bits.at)
    }

    fn samples(&self) -> Result<Vec<u16>, String> {
        let table = self.quantisation.get(self.quantisation_index).and_then(Option::as_ref);
        let table = table.ok_or("JPEG quantisation table is missing")?;
        let per_row = self.width.div_ceil(8);
        let cosines = cosines();
        let middle = f32::from(1u16 << (self.precision - 1));
        let max = middle * 2.0 - 1.0;
        let mut samples = vec![0; self.width * self.height];
        for (i, block) in self.blocks.iter().enumerate() {
            let mut values = [0f32; 64];
            for ((&place, &coefficient), &step) in ZIGZAG.iter().zip(block).zip(table) {
                if let Some(value) = values.get_mut(usize::from(place)) {
                    *value = coefficient as f32 * f32::from(step);
                }
            }
            let pixels = inverse_cosine_transform(&values, &cosines);
            let (x, y) = (i % per_row * 8, i / per_row * 8);
            for (row, line) in pixels.chunks_exact(8).enumerate().take(self.height - y) {
                let start = (y + row) * self.width + x;
                let visible = (self.width - x).min(8);
                let target = samples.get_mut(start..start + visible).unwrap_or_default();
                for (sample, value) in target.iter_mut().zip(line) {
                    *sample = (value + middle).round().clamp(0.0, max) as u16;
                }
            }
        }
        Ok(samples)
    }
}

const CODE: &str = "JPEG data holds a code that is not in its table";

fn sequential(
    block: &mut Block,
    scan: &Scan<'_>,
    bits: &mut Bits<'_>,
    prediction: &mut i32,
) -> Result<(), String> {
    progressive_dc(
        block,
        &Scan { dc: scan.dc, ac: None, first: 0, last: 0, high: 0, low: 0 },
        bits,
        prediction,
    )?;
    let ac = scan.ac.ok_or("JPEG Huffman table is missing")?;
    let mut k = 1;
    while k < 64 {
        let symbol = ac.decode(bits)?;
        let (run, size) = (usize::from(symbol >> 4), symbol & 15);
        if size == 0 {
            if run < 15 {
                break;
            }
            k += 16;
            continue;
        }
        k += run;
        *block.get_mut(k).ok_or(CODE)? = bits.signed(size)?;
        k += 1;
    }
    Ok(())
}

fn progressive_dc(
    block: &mut Block,
    scan: &Scan<'_>,
    bits: &mut Bits<'_>,
    prediction: &mut i32,
) -> Result<(), String> {
    let [dc, ..] = block;
    if scan.high > 0 {
        *dc |= bits.take(1)? << scan.low;
        return Ok(());
    }
    let size = scan.dc.ok_or("JPEG Huffman table is missing")?.decode(bits)?;
    *prediction = prediction.wrapping_add(bits.signed(size)?);
    *dc = prediction.wrapping_shl(u32::from(scan.low));
    Ok(())
}

fn progressive_ac(
    block: &mut Block,
    scan: &Scan<'_>,
    bits: &mut Bits<'_>,
    skip: &mut u32,
) -> Result<(), String> {
    if *skip > 0 {
        *skip -= 1;
        return Ok(());
    }
    let ac = scan.ac.ok_or("JPEG Huffman table is missing")?;
    let mut k = scan.first;
    while k <= scan.last {
        let symbol = ac.decode(bits)?;
        let (run, size) = (symbol >> 4, symbol & 15);
        if size == 0 {
            if run < 15 {
                *skip = (1 << run) - 1 + bits.take(run)? as u32;
                break;
            }
            k += 16;
            continue;
        }
        k += usize::from(run);
        *block.get_mut(k).ok_or(CODE)? = bits.signed(size)? << scan.low;
        k += 1;
    }
    Ok(())
}

/// Adds one bit to coefficients that are already known and places new ones between them (T.81 G.1.2.3).
fn refine_ac(block: &mut Block, scan: &Scan<'_>, bits: &mut Bits<'_>, skip: &mut u32) -> Result<(), String> {
    let bit = 1 << scan.low;
    let refine = |coefficient: &mut i32, bits: &mut Bits<'_>| -> Result<(), String> {
        if bits.take(1)? == 1 && *coefficient & bit == 0 {
            *coefficient += if *coefficient > 0 { bit } else { -bit };
        }
        Ok(())
    };
    let mut k = scan.first;
    if *skip == 0 {
        let ac = scan.ac.ok_or("JPEG Huffman table is missing")?;
        while k <= scan.last {
            let symbol = ac.decode(bits)?;
            let (mut run, size) = (symbol >> 4, symbol & 15);
            let mut value = 0;
            if size != 0 {
                value = if bits.take(1)? == 1 { bit } else { -bit };
            } else if run < 15 {
                *skip = (1 << run) + bits.take(run)? as u32;
                break;
            }
            while k <= scan.last {
                let coefficient = block.get_mut(k).ok_or(CODE)?;
                k += 1;
                if *coefficient != 0 {
                    refine(coefficient, bits)?;
                } else if run == 0 {
                    *coefficient = value;
                    break;
                } else {
                    run -= 1;
                }
            }
        }
    }
    if *skip > 0 {
        for coefficient in block.get_mut(k..=scan.last).unwrap_or_default() {
            if *coefficient != 0 {
                refine(coefficient, bits)?;
            }
        }
        *skip -= 1;
    }
    Ok(())
}

/// A canonical Huffman code (T.81 annex C): for each length the first code, and where its symbols begin.
#[derive(Clone)]
struct Huffman {
    lengths: [(u32, u32, usize); 16],
    symbols: Vec<u8>,
}

impl Huffman {
    fn new(counts: &[u8; 16], symbols: &[u8]) -> Self {
        let (mut code, mut index) = (0u32, 0);
        let lengths = counts.map(|count| {
            let first = code;
            let start = index;
            code = (code + u32::from(count)) << 1;
            index += usize::from(count);
            (first, u32::from(count), start)
        });
        Self { lengths, symbols: symbols.to_vec() }
    }

    fn decode(&self, bits: &mut Bits<'_>) -> Result<u8, String> {
        let mut code = 0u32;
        for (first, count, start) in self.lengths {
            code = code << 1 | bits.take(1)? as u32;
            if let Some(offset) = code.checked_sub(first).filter(|offset| *offset < count) {
                return self.symbols.get(start + offset as usize).copied().ok_or_else(|| CODE.to_owned());
            }
        }
        Err(CODE.to_owned())
    }
}

/// Entropy-coded bits, most significant first, with stuffed zero bytes removed.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    buffer: u32,
    count: u8,
}

impl Bits<'_> {
    fn take(&mut self, wanted: u8) -> Result<i32, String> {
        let mut value = 0;
        for _ in 0..wanted {
            if self.count == 0 {
                let byte = *self.data.get(self.at).ok_or("JPEG data ends early")?;
                if byte == 0xFF {
                    if self.data.get(self.at + 1) != Some(&0) {
                        return Err("JPEG data ends early".to_owned());
                    }
                    self.at += 1;
                }
                self.at += 1;
                self.buffer = u32::from(byte);
                self.count = 8;
            }
            self.count -= 1;
            value = value << 1 | (self.buffer >> self.count & 1) as i32;
        }
        Ok(value)
    }

    /// A number of `size` bits whose first bit tells the sign (T.81 F.2.2.1).
    fn signed(&mut self, size: u8) -> Result<i32, String> {
        if size == 0 {
            return Ok(0);
        }
        if size > 16 {
            return Err(CODE.to_owned());
        }
        let value = self.take(size)?;
        Ok(if value < 1 << (size - 1) { value - (1 << size) + 1 } else { value })
    }

    /// Steps over a restart marker.
    fn restart(&mut self) -> Result<(), String> {
        self.count = 0;
        while self.data.get(self.at..self.at + 2) == Some(&[0xFF, 0xFF]) {
            self.at += 1;
        }
        match self.data.get(self.at..self.at + 2) {
            Some([0xFF, 0xD0..=0xD7]) => {
                self.at += 2;
                Ok(())
            }
            _ => Err("JPEG restart marker is missing".to_owned()),
        }
    }
}

/// `cosines[x][u]`: contribution of frequency `u` at place `x`.
fn cosines() -> [[f32; 8]; 8] {
    std::array::from_fn(|x| {
        std::array::from_fn(|u| {
            let scale = if u == 0 { (1.0f64 / 8.0).sqrt() } else { 0.5 };
            let angle = (2 * x + 1) as f64 * u as f64 * std::f64::consts::PI / 16.0;
            (scale * angle.cos()) as f32
        })
    })
}

/// Separable inverse DCT (T.81 A.3.3): rows, then columns.
fn inverse_cosine_transform(values: &[f32; 64], cosines: &[[f32; 8]; 8]) -> [f32; 64] {
    let mut rows = [0f32; 64];
    for (source, target) in values.chunks_exact(8).zip(rows.chunks_exact_mut(8)) {
        for (sample, weights) in target.iter_mut().zip(cosines) {
            *sample = source.iter().zip(weights).map(|(value, weight)| value * weight).sum();
        }
    }
    let mut out = [0f32; 64];
    for (target, weights) in out.chunks_exact_mut(8).zip(cosines) {
        for (row, weight) in rows.chunks_exact(8).zip(weights) {
            for (sample, value) in target.iter_mut().zip(row) {
                *sample += value * weight;
            }
        }
    }
    out
}
