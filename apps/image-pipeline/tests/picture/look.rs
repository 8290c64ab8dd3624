//! Reads test data, and looks at pictures as a stranger to the code under test would.

use std::fs;
use std::path::PathBuf;

use image_pipeline::picture::{Format, Limits, Picture, Refused, Settings, plan, probe, render};

/// 8 bits a channel, red, green, blue.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Look {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) data: Vec<u8>,
}

pub(crate) fn data(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn photo(name: &str) -> Vec<u8> {
    data(&format!("photos/{name}"))
}

/// All of it with the default limits.
pub(crate) fn rendered(bytes: &[u8], settings: &Settings) -> Result<Picture, Refused> {
    let limits = Limits::default();
    let plan = plan(&probe(bytes)?, settings, &limits)?;
    render(bytes, &plan, settings, &limits)
}

// === impl Look ===

impl Look {
    pub(crate) fn at(picture: &Picture) -> Self {
        let look = match picture.format {
            Format::Jpeg => Self::at_jpeg(&picture.bytes),
            Format::Png => Self::at_png(&picture.bytes),
            other => Self::at_other(&picture.bytes, other),
        };
        assert_eq!((look.width, look.height), (picture.width as usize, picture.height as usize));
        look
    }

    pub(crate) fn at_jpeg(bytes: &[u8]) -> Self {
        let mut decoder = jpeg_decoder::Decoder::new(bytes);
        let data = decoder.decode().expect("a JPEG that a decoder reads");
        let info = decoder.info().expect("known once it is decoded");
        Self::new(info.width.into(), info.height.into(), data)
    }

    /// What is transparent shows white.
    pub(crate) fn at_png(bytes: &[u8]) -> Self {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info().expect("a PNG that a decoder reads");
        let mut data = vec![0; reader.output_buffer_size().expect("a small picture")];
        let info = reader.next_frame(&mut data).expect("whole pixels");
        data.truncate(info.buffer_size());
        Self::new(info.width as usize, info.height as usize, data)
    }

    fn at_other(bytes: &[u8], format: Format) -> Self {
        assert_eq!(format, Format::WebP);
        let image = image::load_from_memory(bytes).expect("a WebP that a decoder reads").to_rgba8();
        Self::new(image.width() as usize, image.height() as usize, image.into_raw())
    }

    fn new(width: usize, height: usize, data: Vec<u8>) -> Self {
        let white = |colour: u8, alpha: u8| {
            ((u32::from(colour) * u32::from(alpha) + 255 * (255 - u32::from(alpha)) + 127) / 255) as u8
        };
        let data = match data.len() / (width * height) {
            1 => data.iter().flat_map(|l| [*l; 3]).collect(),
            2 => data.as_chunks().0.iter().flat_map(|[l, a]| [white(*l, *a); 3]).collect(),
            3 => data,
            _ => data
                .as_chunks()
                .0
                .iter()
                .flat_map(|[r, g, b, a]| [white(*r, *a), white(*g, *a), white(*b, *a)])
                .collect(),
        };
        Self { width, height, data }
    }

    /// How alike two pictures of one size are, in dB: 30 is alike, 40 is hardly told apart.
    pub(crate) fn psnr(&self, other: &Self) -> f64 {
        assert_eq!((self.width, self.height), (other.width, other.height));
        let square = |(a, b): (&u8, &u8)| f64::from(a.abs_diff(*b)).powi(2);
        let sum: f64 = self.data.iter().zip(&other.data).map(square).sum();
        let mean = sum / self.data.len() as f64;
        if mean == 0.0 { 99.0 } else { 10.0 * (255.0 * 255.0 / mean).log10() }
    }
}
