//! Shapes on a page, and the page as SVG or PNG.

use super::palette::Rgb;
use crate::failure::Failure;
use kuva::backend::svg::SvgBackend;
use kuva::render::color::Color;
use kuva::render::render::{PathData, Primitive, Scene, TextAnchor};

/// Device pixels per unit of the page in PNG files.
const SCALE: usize = 2;

/// Where a text is anchored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// The text starts here.
    Start,
    /// The text is centred here.
    Middle,
    /// The text ends here.
    End,
}

/// A rectangle of the page: left, top, width, height.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
}

/// A shaded image, row by row from the top, and where it lies on the page.
#[derive(Debug, Clone)]
pub struct Image {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Pixels.
    pub pixels: Vec<Rgb>,
    /// Place on the page.
    pub area: Area,
}

/// A page: shapes over images.
pub struct Drawing {
    width: f64,
    height: f64,
    images: Vec<Image>,
    shapes: Vec<Primitive>,
    /// Definitions of the clipping areas, for SVG.
    clips: Vec<String>,
}

impl Drawing {
    /// An empty white page.
    pub fn new(width: f64, height: f64) -> Self {
        Drawing { width, height, images: Vec::new(), shapes: Vec::new(), clips: Vec::new() }
    }

    /// Puts an image under all shapes.
    pub fn image(&mut self, image: Image) {
        self.images.push(image);
    }

    /// A straight line.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: Rgb, width: f64, dashes: Option<&str>) {
        self.shapes.push(Primitive::Line {
            x1: from.0,
            y1: from.1,
            x2: to.0,
            y2: to.1,
            stroke: paint(colour),
            stroke_width: width,
            stroke_dasharray: dashes.map(str::to_owned),
        });
    }

    /// A line through many points.
    pub fn polyline(&mut self, points: Vec<(f64, f64)>, colour: Rgb, width: f64) {
        self.shapes.push(Primitive::PolyLine {
            points,
            stroke: paint(colour),
            stroke_width: width,
            stroke_dasharray: None,
        });
    }

    /// A line of dashes through many points.
    pub fn dashed(&mut self, points: Vec<(f64, f64)>, colour: Rgb, width: f64, dashes: &str) {
        self.shapes.push(Primitive::PolyLine {
            points,
            stroke: paint(colour),
            stroke_width: width,
            stroke_dasharray: Some(dashes.to_owned()),
        });
    }

    /// A closed polygon, filled.
    pub fn polygon(&mut self, points: &[(f64, f64)], fill: Rgb, opacity: f64) {
        let mut d = String::new();
        for (i, (x, y)) in points.iter().enumerate() {
            d.push_str(&format!("{}{x:.2} {y:.2} ", if i == 0 { 'M' } else { 'L' }));
        }
        d.push('Z');
        self.shapes.push(Primitive::Path(Box::new(PathData {
            d,
            fill: Some(paint(fill)),
            stroke: Color::None,
            stroke_width: 0.0,
            opacity: Some(opacity),
            stroke_dasharray: None,
        })));
    }

    /// A rectangle, filled or framed or both.
    pub fn rect(&mut self, area: Area, fill: Option<(Rgb, f64)>, frame: Option<(Rgb, f64)>) {
        self.shapes.push(Primitive::Rect {
            x: area.x,
            y: area.y,
            width: area.w,
            height: area.h,
            fill: fill.map_or(Color::None, |(c, _)| paint(c)),
            stroke: frame.map(|(c, _)| paint(c)),
            stroke_width: frame.map(|(_, w)| w),
            opacity: fill.map(|(_, o)| o),
        });
    }

    /// A disc with an outline.
    pub fn disc(&mut self, centre: (f64, f64), radius: f64, fill: Rgb, outline: Option<(Rgb, f64)>) {
        self.shapes.push(Primitive::Circle {
            cx: centre.0,
            cy: centre.1,
            r: radius,
            fill: paint(fill),
            fill_opacity: None,
            stroke: outline.map(|(c, _)| paint(c)),
            stroke_width: outline.map(|(_, w)| w),
        });
    }

    /// A line of text; `at` is on its baseline.
    pub fn text(&mut self, at: (f64, f64), text: &str, size: u32, anchor: Anchor, colour: Rgb) {
        self.write(at, text, size, anchor, colour, false);
    }

    /// A bold line of text.
    pub fn bold(&mut self, at: (f64, f64), text: &str, size: u32, anchor: Anchor, colour: Rgb) {
        self.write(at, text, size, anchor, colour, true);
    }

    fn write(&mut self, at: (f64, f64), text: &str, size: u32, anchor: Anchor, colour: Rgb, bold: bool) {
        // A dollar would start mathematics; file and column names may hold any character.
        let content: String =
            text.chars().filter(|c| !c.is_control()).map(|c| if c == '$' { '＄' } else { c }).collect();
        self.shapes.push(Primitive::Text {
            x: at.0,
            y: at.1,
            content,
            size,
            anchor: match anchor {
                Anchor::Start => TextAnchor::Start,
                Anchor::Middle => TextAnchor::Middle,
                Anchor::End => TextAnchor::End,
            },
            rotate: None,
            bold,
            color: Some(paint(colour)),
        });
    }

    /// Until the matching [`unclip`](Drawing::unclip), nothing shows outside `area`.
    pub fn clip(&mut self, area: Area, id: &str) {
        let Area { x, y, w, h } = area;
        let rect = format!("<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" />");
        self.clips.push(format!("<clipPath id=\"{id}\">{rect}</clipPath>"));
        self.shapes.push(Primitive::ClipStart {
            x: area.x,
            y: area.y,
            width: area.w,
            height: area.h,
            id: id.to_owned(),
        });
    }

    /// Ends the last [`clip`](Drawing::clip).
    pub fn unclip(&mut self) {
        self.shapes.push(Primitive::ClipEnd);
    }

    fn scene(&self, under: Vec<Primitive>) -> Scene {
        let mut scene = Scene::new(self.width, self.height);
        scene.background_color = Some("#ffffff".to_owned());
        scene.font_family = Some("DejaVu Sans, Verdana, Arial, sans-serif".to_owned());
        scene.defs.clone_from(&self.clips);
        scene.elements = under;
        scene.elements.extend(self.shapes.iter().cloned());
        scene
    }

    /// The page as SVG, its images inside.
    pub fn svg(&self) -> Result<String, Failure> {
        let mut svg = SvgBackend::new().render_scene(&self.scene(Vec::new()));
        // A view box makes the page scale with the place it is shown in.
        let viewbox = format!("<svg viewBox=\"0 0 {} {}\" ", self.width, self.height);
        svg = svg.replacen("<svg ", &viewbox, 1);
        for image in self.images.iter().rev() {
            let Area { x, y, w, h } = image.area;
            let data = base64(&encode_png(image)?);
            let tag = format!(
                "<image x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" preserveAspectRatio=\"none\" \
                 href=\"data:image/png;base64,{data}\" />"
            );
            // After the background, which is the first shape that ends in "/>".
            let at = svg.find("/>").map_or(svg.len(), |i| i + 2);
            svg.insert_str(at, &tag);
        }
        Ok(svg)
    }

    /// The page as PNG, two pixels a unit.
    pub fn png(&self) -> Result<Vec<u8>, Failure> {
        let under = self.images.iter().map(pixels_as_rects).collect();
        let mut scene = self.scene(under);
        scene.elements.iter_mut().for_each(scale_dashes);
        kuva::PngBackend::new()
            .with_scale(SCALE as f32)
            .render_scene(&scene)
            .map_err(|e| Failure::new(format!("the picture cannot be drawn: {e}")))
    }
}

fn paint(c: Rgb) -> Color {
    Color::Rgb(c[0], c[1], c[2])
}

/// The renderer of PNG scales everything but the lengths of dashes.
fn scale_dashes(shape: &mut Primitive) {
    let (Primitive::Line { stroke_dasharray, .. } | Primitive::PolyLine { stroke_dasharray, .. }) = shape
    else {
        return;
    };
    if let Some(dashes) = stroke_dasharray {
        let lengths = dashes.split(',').filter_map(|d| d.parse::<f64>().ok());
        *dashes = lengths.map(|d| (d * SCALE as f64).to_string()).collect::<Vec<_>>().join(",");
    }
}

/// The image as one rectangle a device pixel, interpolated between its own pixels.
fn pixels_as_rects(image: &Image) -> Primitive {
    let Area { x, y, w, h } = image.area;
    let (cols, rows) = ((w * SCALE as f64).round() as usize, (h * SCALE as f64).round() as usize);
    let step = 1.0 / SCALE as f64;
    let n = cols * rows;
    let (mut xs, mut ys, mut fills) = (Vec::with_capacity(n), Vec::with_capacity(n), Vec::with_capacity(n));
    for r in 0..rows {
        for c in 0..cols {
            let at = |i: usize, from: usize, to: usize| ((i as f64 + 0.5) * to as f64 / from as f64) - 0.5;
            fills.push(paint(image.interpolate(at(c, cols, image.width), at(r, rows, image.height))));
            xs.push(x + c as f64 * step);
            ys.push(y + r as f64 * step);
        }
    }
    Primitive::RectBatch { x: xs, y: ys, w: vec![step; n], h: vec![step; n], fills }
}

impl Image {
    /// The colour at a place between pixel centres.
    fn interpolate(&self, x: f64, y: f64) -> Rgb {
        let (x, y) = (x.clamp(0.0, (self.width - 1) as f64), y.clamp(0.0, (self.height - 1) as f64));
        let (x0, y0) = (x as usize, y as usize);
        let (x1, y1) = ((x0 + 1).min(self.width - 1), (y0 + 1).min(self.height - 1));
        let (fx, fy) = (x - x0 as f64, y - y0 as f64);
        let pixel = |x: usize, y: usize| self.pixels[y * self.width + x];
        let (a, b, c, d) = (pixel(x0, y0), pixel(x1, y0), pixel(x0, y1), pixel(x1, y1));
        std::array::from_fn(|k| {
            let mix = |p: u8, q: u8, f: f64| f64::from(p) + (f64::from(q) - f64::from(p)) * f;
            let (upper, lower) = (mix(a[k], b[k], fx), mix(c[k], d[k], fx));
            (upper + (lower - upper) * fy).round() as u8
        })
    }
}

fn encode_png(image: &Image) -> Result<Vec<u8>, Failure> {
    let failed = |e: png::EncodingError| Failure::new(format!("the picture cannot be drawn: {e}"));
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, image.width as u32, image.height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(image.pixels.as_flattened()).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = (0..3).fold(0u32, |w, i| w << 8 | u32::from(*chunk.get(i).unwrap_or(&0)));
        for i in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= chunk.len() { digit as char } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::palette::WHITE;
    use super::*;

    /// The test vectors of RFC 4648, section 10.
    #[test]
    fn base64_known_values() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn an_image_of_one_colour_stays_it() {
        let area = Area { x: 1.0, y: 1.0, w: 5.0, h: 4.0 };
        let image = Image { width: 3, height: 2, pixels: vec![[9, 80, 200]; 6], area };
        for (x, y) in [(-1.0, 0.3), (1.5, 0.5), (7.0, 9.0)] {
            assert_eq!(image.interpolate(x, y), [9, 80, 200]);
        }
    }

    #[test]
    fn both_formats_are_what_they_say() {
        let mut page = Drawing::new(40.0, 30.0);
        let area = Area { x: 5.0, y: 5.0, w: 10.0, h: 10.0 };
        page.image(Image { width: 2, height: 2, pixels: vec![WHITE; 4], area });
        page.clip(area, "inside");
        page.text((3.0, 20.0), "a<b & $5", 9, Anchor::Start, [0, 0, 0]);
        page.unclip();
        let svg = page.svg().unwrap();
        assert!(svg.starts_with("<svg viewBox=\"0 0 40 30\" "), "{svg}");
        assert!(svg.contains("data:image/png;base64,iVBORw0KGgo"), "{svg}");
        assert!(svg.contains("a&lt;b &amp; "), "{svg}");
        assert!(svg.contains("<clipPath id=\"inside\">") && svg.contains("url(#inside)"), "{svg}");
        assert!(svg.find("<image").unwrap() > svg.find("#ffffff").unwrap());
        assert!(page.png().unwrap().starts_with(b"\x89PNG"));
    }
}
