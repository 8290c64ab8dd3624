use super::codec::FULL_COLOUR_FROM;
use super::{Filter, Format, Header, Limits, Refused, Settings, Size, Target};

/// A picture is decoded at one in so many of its size only if it becomes smaller by this much, so that some
/// pixels more than wanted are left for the better filter.
///
/// Against PIL's reduction of whole photographs, after both are JPEG of quality 80, the worst of five photographs
/// then loses 0.4 dB. With 12.0 and 2.5 three of them lose up to 0.8, and nearly as much time is spent.
const SCALES: [(u32, f64); 3] = [(8, 14.5), (4, 6.0), (2, 2.8)];

/// What codecs hold beside pixels: tables, windows, and a page for every small thing. In bytes.
const FIXED: u64 = 3 << 20;

/// How much of a colour profile is held at once: it, and its table in numbers of four bytes.
const PROFILE: u64 = 6;

/// What the allocator keeps of what was given back: one in so many bytes.
const SLACK: u64 = 16;

/// What will be done to one picture, decided from its header.
///
/// ```no_run
/// use image_pipeline::picture::{Limits, Settings, Size, plan, probe};
///
/// let bytes = std::fs::read("photo.jpg")?;
/// let settings = Settings { size: Size::Fit(400, 400), ..Settings::default() };
/// let plan = plan(&probe(&bytes)?, &settings, &Limits::default())?;
/// println!("{}x{} needs {} bytes", plan.width(), plan.height(), plan.weight());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    header: Header,
    /// Decoded at one in so many: 1, 2, 4 or 8.
    denominator: u32,
    /// Of the result, as it is seen.
    width: u32,
    height: u32,
    /// Two sides stand out and are cut off.
    is_cut: bool,
    format: Format,
    /// How many copies of the result's pixels filters and orientation need beside it.
    copies: u64,
    /// What a JPEG has for each pixel while it is written, in bytes.
    jpeg_bytes: u64,
    weight: u64,
}

/// Decides scale, size and format for a picture, and knows its weight before anything is allocated.
///
/// # Errors
///
/// [`Refused::TooManyPixels`], [`Refused::TooManyScans`], [`Refused::TooHeavy`] or [`Refused::TooLarge`].
pub fn plan(header: &Header, settings: &Settings, limits: &Limits) -> Result<Plan, Refused> {
    let (pixels, limit) = (header.pixels(), limits.max_pixels);
    if pixels > limit {
        return Err(Refused::TooManyPixels { pixels, limit });
    }
    if header.scans > limits.max_scans {
        return Err(Refused::TooManyScans { scans: header.scans, limit: limits.max_scans });
    }
    let format = match settings.format {
        Target::Jpeg => Format::Jpeg,
        Target::Png => Format::Png,
        Target::WebP => Format::WebP,
        Target::Keep => match header.format {
            kept @ (Format::Jpeg | Format::Png | Format::WebP) => kept,
            Format::Gif | Format::Tiff => Format::Png,
        },
    };
    let (width, height) = wanted(header.upright(), settings.size);
    let limit = longest_side(format);
    if width.max(height) > limit {
        return Err(Refused::TooLarge { width, height, format, limit });
    }
    let is_blurred = settings.filters.iter().any(|filter| !matches!(filter, Filter::Grayscale));
    let mut plan = Plan {
        header: header.clone(),
        denominator: 1,
        width,
        height,
        is_cut: matches!(settings.size, Size::Fill(..)),
        format,
        copies: if is_blurred { 3 } else { 1 },
        // Blocks of two bytes a channel, two of them at a quarter of the size or not, and the file, which is allocated in
        // leaps: noise of quality 100 has four bytes a pixel.
        jpeg_bytes: if settings.quality >= FULL_COLOUR_FROM { 6 + 8 } else { 3 + 2 },
        weight: 0,
    };
    plan.denominator = plan.best_denominator();
    plan.weight = plan.weigh();
    let needs = plan.weight;
    reduce(&plan, limits.max_weight).ok_or(Refused::TooHeavy { needs, budget: limits.max_weight })
}

/// The same picture decoded smaller, so that it weighs at most `budget` bytes: less sharp, but possible.
///
/// The size of the result becomes smaller too where the reduced picture no longer fills it. `None` where
/// the format cannot be decoded at a reduced scale, or not small enough.
pub fn reduce(plan: &Plan, budget: u64) -> Option<Plan> {
    let mut reduced = plan.clone();
    while reduced.weight > budget {
        if reduced.header.format != Format::Jpeg || reduced.denominator == 8 {
            return None;
        }
        reduced.denominator *= 2;
        // Nothing is enlarged, so the result is at most what is decoded.
        let (_, _, part_width, part_height) = reduced.part();
        let (width, height) = reduced.stored();
        let shrink = (part_width / f64::from(width)).min(part_height / f64::from(height)).min(1.0);
        (reduced.width, reduced.height) = (scaled(reduced.width, shrink), scaled(reduced.height, shrink));
        reduced.weight = reduced.weigh();
    }
    Some(reduced)
}

/// The size of the result, from the size of the picture as it is seen.
fn wanted((width, height): (u32, u32), size: Size) -> (u32, u32) {
    let by_width = |wanted: u32| f64::from(wanted.max(1)) / f64::from(width);
    let by_height = |wanted: u32| f64::from(wanted.max(1)) / f64::from(height);
    match size {
        Size::Keep => (width, height),
        Size::Fit(w, h) => {
            let shrink = by_width(w).min(by_height(h)).min(1.0);
            (scaled(width, shrink), scaled(height, shrink))
        }
        Size::Width(w) => (w.clamp(1, width), scaled(height, by_width(w).min(1.0))),
        Size::Height(h) => (scaled(width, by_height(h).min(1.0)), h.clamp(1, height)),
        Size::Fill(w, h) => {
            // Smaller on one side, so the largest part of that shape which is there on both.
            let shrink = by_width(w).max(by_height(h)).max(1.0);
            let fill = |side: u32, have: u32| scaled(side.max(1), 1.0 / shrink).min(have);
            (fill(w, width), fill(h, height))
        }
    }
}

fn scaled(side: u32, by: f64) -> u32 {
    // Rounds like everybody else; a side never vanishes.
    ((f64::from(side) * by).round() as u32).max(1)
}

fn longest_side(format: Format) -> u32 {
    match format {
        Format::Jpeg => 65_535,
        Format::WebP => 16_383,
        Format::Png | Format::Gif | Format::Tiff => i32::MAX.unsigned_abs(),
    }
}

// === impl Plan ===

impl Plan {
    /// The header it was made from.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The picture is decoded at one in this many of its size: 1, 2, 4 or 8.
    pub fn denominator(&self) -> u32 {
        self.denominator
    }

    /// Of the result, in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Of the result, in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Of the result.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The ending for the result's name.
    pub fn extension(&self) -> &'static str {
        self.format.extension()
    }

    /// An upper bound, in bytes, of the memory that [`render`](super::render) needs at any moment, its
    /// result included. The file's own bytes are the caller's and not counted.
    pub fn weight(&self) -> u64 {
        self.weight
    }

    /// Width and height of what the decoder hands over.
    pub(super) fn decoded(&self) -> (u32, u32) {
        (self.header.width.div_ceil(self.denominator), self.header.height.div_ceil(self.denominator))
    }

    /// Width and height of the result before it is turned upright.
    pub(super) fn stored(&self) -> (u32, u32) {
        if self.header.orientation.swaps_sides() {
            (self.height, self.width)
        } else {
            (self.width, self.height)
        }
    }

    /// The part of the decoded picture that becomes the result: left, top, width, height.
    ///
    /// At a reduced scale the last column may be a fraction of a pixel wide.
    pub(super) fn part(&self) -> (f64, f64, f64, f64) {
        let scale = f64::from(self.denominator);
        let (width, height) = (f64::from(self.header.width) / scale, f64::from(self.header.height) / scale);
        if !self.is_cut {
            return (0.0, 0.0, width, height);
        }
        let (to_width, to_height) = self.stored();
        let shape = f64::from(to_width) / f64::from(to_height);
        let (part_width, part_height) = (width.min(height * shape), height.min(width / shape));
        ((width - part_width) / 2.0, (height - part_height) / 2.0, part_width, part_height)
    }

    fn best_denominator(&self) -> u32 {
        if self.header.format != Format::Jpeg {
            return 1;
        }
        let (_, _, part_width, part_height) = self.part();
        let (width, height) = self.stored();
        let ratio = (part_width / f64::from(width)).min(part_height / f64::from(height));
        let scale = SCALES.into_iter().find(|(_, needed)| ratio >= *needed);
        scale.map_or(1, |(denominator, _)| denominator)
    }

    /// The heaviest moment of the three steps. The factors are what the codecs were measured to hold; the
    /// test `weight` measures them again, on every kind of picture.
    fn weigh(&self) -> u64 {
        let area = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
        let (header, decoded, stored) = (&self.header, area(self.decoded()), area(self.stored()));
        let wide = u64::from(header.depth > 8);
        let channels = header.colour.channels();
        let pixels = decoded * channels;
        let decoding = match header.format {
            // Planes, then all of them in one; and of a progressive one every coefficient in two bytes.
            Format::Jpeg => {
                let planes = header.beside / u64::from(self.denominator * self.denominator);
                let coefficients = if header.is_progressive { 2 * header.beside } else { 0 };
                pixels + planes + coefficients
            }
            Format::Png | Format::WebP | Format::Gif => pixels + header.beside,
            // All of it as it is stored, the strip that is being read, and what they become.
            Format::Tiff => pixels * (3 + 2 * wide),
        };
        // Between its two passes the filter holds a picture that is narrow and still high.
        let halfway = u64::from(self.stored().0) * u64::from(self.decoded().1) * channels;
        let resizing = if self.decoded() == self.stored() && !self.is_cut {
            pixels
        } else {
            pixels + halfway + stored * channels
        };
        let profile = PROFILE * header.profile;
        // Converted colours, filters and the upright picture: each is a copy.
        let finishing = stored * channels.max(3) * (1 + self.copies);
        let encoding = stored
            * match self.format {
                // On white, all blocks before their tables are known, and the file.
                Format::Jpeg => channels + 3 + self.jpeg_bytes,
                // libwebp's own planes, what it knows of each block, and the file; alpha is compressed
                // without loss, for which it searches all of it for what it has seen before.
                Format::WebP => {
                    if channels == 4 {
                        40
                    } else {
                        22
                    }
                }
                // What is filtered, compressed and written, each as large as the pixels at worst.
                Format::Png | Format::Gif | Format::Tiff => channels * 4,
            };
        let most = decoding.max(resizing + profile).max(finishing + profile).max(encoding);
        most + most / SLACK + FIXED
    }
}

#[cfg(test)]
mod tests;
