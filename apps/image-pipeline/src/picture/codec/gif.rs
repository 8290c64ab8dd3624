use std::io;

use image::ImageDecoder as _;
use image::codecs::gif::GifDecoder;

use super::refused;
use crate::picture::Refused;
use crate::picture::container::Container;
use crate::picture::pixels::{Layout, Pixels};

/// The first frame, where it lies on its screen.
pub(super) fn decode(container: &Container<'_>) -> Result<Pixels, Refused> {
    let decoder = GifDecoder::new(io::Cursor::new(container.body)).map_err(refused)?;
    let (width, height) = decoder.dimensions();
    if (width, height) != (container.header.width, container.header.height) {
        return Err(Refused::damaged("the decoder reads another size than the header's"));
    }
    let mut data = vec![0; width as usize * height as usize * 4];
    decoder.read_image(&mut data).map_err(refused)?;
    Ok(Pixels::new(width, height, Layout::Rgba, data))
}
