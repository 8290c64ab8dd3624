//! Makes the contact sheet: the eight orientations, and below them what else is stored in odd ways.
//! `cargo xtask sheet` writes it to docs/sheet.jpg, and a test looks at each of its cells.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use image_pipeline::picture::{Limits, Settings, Size, Target, decode, plan, probe, render, resize};

/// In pixels, a side; cells touch each other.
const CELL: u32 = 200;
const COLUMNS: u32 = 8;

/// From top left, row after row.
const CELLS: [&str; 16] = [
    "hopper.jpg",
    "hopper_orientation_2.jpg",
    "hopper_orientation_3.jpg",
    "hopper_orientation_4.jpg",
    "hopper_orientation_5.jpg",
    "hopper_orientation_6.jpg",
    "hopper_orientation_7.jpg",
    "hopper_orientation_8.jpg",
    "pil_sample_cmyk.jpg",
    "rocket.jpg",
    "transparent.webp",
    "pil123p.png",
    "basn2c16.png",
    "frozenpond.mpo",
    "friends_by_Aitzol_Berasategi.jpg",
    "camera.png",
];

fn main() -> Result<(), Box<dyn Error>> {
    let output = env::args_os().nth(1).ok_or("usage: sheet OUTPUT.jpg")?;
    let photos = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/photos");
    let (width, height) = (COLUMNS * CELL, CELLS.len() as u32 / COLUMNS * CELL);
    let mut canvas = vec![0xFF; (width * height * 3) as usize];
    for (index, name) in (0..).zip(CELLS) {
        let cell = seen(&fs::read(photos.join(name))?)?;
        let (left, top) = (index % COLUMNS * CELL, index / COLUMNS * CELL);
        for (y, row) in (top..).zip(cell.data.chunks_exact(cell.width as usize * 3)) {
            let at = ((y * width + left) * 3) as usize;
            canvas[at..at + row.len()].copy_from_slice(row);
        }
    }
    let mut sheet = Vec::new();
    let mut encoder = png::Encoder::new(&mut sheet, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header()?.write_image_data(&canvas)?;

    let settings = Settings { format: Target::Jpeg, quality: 92, ..Settings::default() };
    let limits = Limits::default();
    let plan = plan(&probe(&sheet)?, &settings, &limits)?;
    fs::write(output, render(&sheet, &plan, &settings, &limits)?.bytes)?;
    Ok(())
}

/// Red, green, blue.
struct Cell {
    width: u32,
    data: Vec<u8>,
}

/// A picture as it is shown: upright, in sRGB, on white.
fn seen(bytes: &[u8]) -> Result<Cell, Box<dyn Error>> {
    let settings = Settings { size: Size::Fit(CELL, CELL), format: Target::Png, ..Settings::default() };
    let limits = Limits::default();
    let plan = plan(&probe(bytes)?, &settings, &limits)?;
    let pixels = resize(decode(bytes, &plan, &settings, &limits)?, &plan, &settings)?;
    let data = match pixels.channels() {
        1 => pixels.data().iter().flat_map(|gray| [*gray; 3]).collect(),
        3 => pixels.data().to_vec(),
        _ => {
            let white = |colour: u8, alpha: u8| {
                ((u32::from(colour) * u32::from(alpha) + 255 * (255 - u32::from(alpha))) / 255) as u8
            };
            let (rgba, _) = pixels.data().as_chunks::<4>();
            rgba.iter().flat_map(|[r, g, b, a]| [white(*r, *a), white(*g, *a), white(*b, *a)]).collect()
        }
    };
    Ok(Cell { width: pixels.width(), data })
}
