/// A picture between two steps: 8 bits a channel, row after row.
///
/// It carries the colour profile until its colours are converted, and the EXIF of a picture whose metadata
/// is kept.
#[derive(Clone)]
pub struct Pixels {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) layout: Layout,
    pub(super) data: Vec<u8>,
    pub(super) icc: Option<Vec<u8>>,
    pub(super) exif: Option<Vec<u8>>,
}

/// What the bytes of a pixel are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Gray,
    Rgb,
    /// Alpha is not multiplied into the colours.
    Rgba,
    /// 0 is no ink, 255 is all of it.
    Cmyk,
}

// === impl Pixels ===

impl Pixels {
    pub(super) fn new(width: u32, height: u32, layout: Layout, data: Vec<u8>) -> Self {
        debug_assert_eq!(data.len(), width as usize * height as usize * layout.channels());
        Self { width, height, layout, data, icc: None, exif: None }
    }

    /// In pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// In pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The bytes, row after row without gaps: [`channels`](Self::channels) for each pixel.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// 1 is luminance, 3 are red, green, blue; 4 are those and alpha or, before
    /// [`resize`](super::resize) and only of a picture for print, cyan, magenta, yellow, black.
    pub fn channels(&self) -> usize {
        self.layout.channels()
    }
}

impl std::fmt::Debug for Pixels {
    // The bytes themselves would bury everything else.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pixels")
            .field("width", &self.width)
            .field("height", &self.height)
            .field("layout", &self.layout)
            .finish_non_exhaustive()
    }
}

// === impl Layout ===

impl Layout {
    pub(super) fn channels(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb => 3,
            Self::Rgba | Self::Cmyk => 4,
        }
    }
}
