//! Numbers as people read them: as many digits as they are good for.

/// A value and its interval, with two digits of the distance to the nearer end (but at most two more than the
/// whole interval has); the ends are rounded outwards.
///
/// An infinite end is written −∞ or ∞.
pub fn estimate(v: f64, lower: f64, upper: f64) -> [String; 3] {
    let near = 2.0 * (v - lower).min(upper - v);
    // An infinite interval has no digits to go by.
    let near = if upper - lower < f64::INFINITY { near.max(0.01 * (upper - lower)) } else { near };
    let decimals = supported_decimals(near, largest([v, lower, upper]));
    [fixed(v, decimals), outward(lower, decimals, f64::floor), outward(upper, decimals, f64::ceil)]
}

/// An interval, rounded outwards to two digits of its width.
pub fn interval(lower: f64, upper: f64) -> [String; 2] {
    let decimals = supported_decimals(upper - lower, largest([lower, upper, lower]));
    [outward(lower, decimals, f64::floor), outward(upper, decimals, f64::ceil)]
}

/// The largest of the numbers that are finite, in absolute value.
fn largest(numbers: [f64; 3]) -> f64 {
    numbers.into_iter().filter(|v| v.is_finite()).fold(0.0, |m: f64, v| m.max(v.abs()))
}

/// A number to `digits` significant digits.
pub fn significant(v: f64, digits: i32) -> String {
    if v == 0.0 || !v.is_finite() {
        return fixed(v, Decimals::Fixed(0));
    }
    let exponent = v.abs().log10().floor() as i32;
    if (-4..7).contains(&exponent) {
        fixed(v, Decimals::Fixed((digits - 1 - exponent).max(0) as usize))
    } else {
        fixed(v, Decimals::Scientific((digits - 1).max(0) as usize))
    }
}

/// A number that was given rather than measured: up to `digits` significant digits, no zeros at the end.
pub fn plain(v: f64, digits: i32) -> String {
    let text = significant(v, digits);
    let (mantissa, exponent) = text.split_at(text.find('e').unwrap_or(text.len()));
    if !mantissa.contains('.') {
        return text;
    }
    format!("{}{exponent}", mantissa.trim_end_matches('0').trim_end_matches('.'))
}

/// A number to the bit, as short as it can be read back.
pub fn exact(v: f64) -> String {
    let size = v.abs();
    if size == 0.0 || (1e-5..1e16).contains(&size) || !v.is_finite() {
        v.to_string()
    } else {
        format!("{v:e}")
    }
}

/// A count with its thousands apart.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(c);
    }
    text
}

/// A duration: `0.42 s`, `12 s`, `3 min 20 s`, `2 h 05 min`.
pub fn seconds(s: f64) -> String {
    if s < 9.995 {
        format!("{s:.2} s")
    } else if s < 99.95 {
        format!("{s:.1} s")
    } else if s < 6000.0 {
        let whole = s.round() as u64;
        format!("{} min {:02} s", whole / 60, whole % 60)
    } else if s.is_finite() {
        let minutes = (s / 60.0).round() as u64;
        format!("{} h {:02} min", minutes / 60, minutes % 60)
    } else {
        "∞".to_owned()
    }
}

/// Rows of (name, text) with the texts aligned; a text of several lines stays aligned.
pub fn table(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in rows {
        for (i, line) in value.lines().enumerate() {
            let name = if i == 0 { *name } else { "" };
            let pad = " ".repeat(width - name.chars().count());
            text.push_str(&format!("  {name}{pad}  {line}\n"));
        }
    }
    text
}

/// How a number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decimals {
    /// This many digits after the point.
    Fixed(usize),
    /// This many digits after the first, and an exponent.
    Scientific(usize),
}

/// Two digits of an uncertainty of `width` in numbers up to `size`; at most what f64 holds.
fn supported_decimals(width: f64, size: f64) -> Decimals {
    let size = if width.is_finite() { size.max(width) } else { size };
    let size = if size.is_finite() && size > 0.0 { size } else { 1.0 };
    let exponent = size.log10().floor() as i32;
    let good = if width.is_finite() && width > 0.0 {
        // Digits of the numbers down to the second digit of the width.
        exponent - (width.log10().floor() as i32) + 2
    } else {
        6
    };
    let good = good.clamp(2, 15);
    if (-5..8).contains(&exponent) {
        Decimals::Fixed((good - 1 - exponent).max(0) as usize)
    } else {
        Decimals::Scientific((good - 1) as usize)
    }
}

fn fixed(v: f64, decimals: Decimals) -> String {
    if v.is_nan() {
        return "unknown".to_owned();
    }
    if v.is_infinite() {
        return if v > 0.0 { "∞" } else { "−∞" }.to_owned();
    }
    let text = match decimals {
        Decimals::Fixed(d) => format!("{v:.d$}"),
        Decimals::Scientific(_) if v == 0.0 => "0".to_owned(),
        Decimals::Scientific(d) => format!("{v:.d$e}"),
    };
    // No "-0.00".
    let negative_zero = text.starts_with('-') && text.chars().all(|c| !c.is_ascii_digit() || c == '0');
    if negative_zero { text.trim_start_matches('-').to_owned() } else { text }
}

/// Rounds away from the interval where the number of decimals allows.
fn outward(v: f64, decimals: Decimals, round: fn(f64) -> f64) -> String {
    match decimals {
        Decimals::Fixed(d) if v.is_finite() => {
            let unit = 10f64.powi(d as i32);
            let scaled = v * unit;
            // A number that already has these digits is left alone by the rounding error of the product.
            let near = scaled.round();
            let whole =
                if (scaled - near).abs() <= 1e-9 * near.abs().max(1.0) { near } else { round(scaled) };
            fixed(if whole.abs() < 9e15 { whole / unit } else { v }, decimals)
        }
        _ => fixed(v, decimals),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_round_outwards() {
        let pair = |a, b| interval(a, b).join(" ");
        assert_eq!(pair(0.612_341, 0.612_789), "0.61234 0.61279");
        assert_eq!(pair(-1.5, 2.25), "-1.5 2.3");
        assert_eq!(pair(1234.4, 1298.7), "1234 1299");
        assert_eq!(pair(0.5, f64::INFINITY), "0.500000 ∞");
        assert_eq!(pair(0.0, 0.0), "0.00000 0.00000");
        assert_eq!(pair(0.0, 3.2e-30), "0 3.2e-30");
    }

    #[test]
    fn values_have_the_digits_of_the_nearer_end() {
        let three = |v, a, b| estimate(v, a, b).join(" ");
        assert_eq!(three(0.612_512_345, 0.6123, 0.6127), "0.61251 0.61230 0.61270");
        assert_eq!(three(7.6543, 7.6021, 15.31), "7.65 7.60 15.31");
        assert_eq!(three(2.5, 2.5, 3.5), "2.500 2.500 3.500");
        assert_eq!(three(2.5, 2.5, 2.5), "2.50000 2.50000 2.50000");
        assert_eq!(three(-1e-17, -0.05, 0.05), "0.00 -0.05 0.05");
        assert_eq!(three(f64::NAN, f64::NEG_INFINITY, f64::INFINITY), "unknown −∞ ∞");
    }

    #[test]
    fn counts_and_durations() {
        assert_eq!(count(1_234_567).replace('\u{202f}', " "), "1 234 567");
        assert_eq!(count(12), "12");
        assert_eq!(seconds(0.123), "0.12 s");
        assert_eq!(seconds(200.2), "3 min 20 s");
        assert_eq!(seconds(7500.0), "2 h 05 min");
    }

    #[test]
    fn significant_digits() {
        assert_eq!(significant(0.001_234_5, 2), "0.0012");
        assert_eq!(significant(1.234e-9, 2), "1.2e-9");
        assert_eq!(significant(0.0, 2), "0");
        assert_eq!(plain(0.1, 4), "0.1");
        assert_eq!(plain(1e-9, 3), "1e-9");
        assert_eq!(plain(250.0, 2), "250");
        assert_eq!(plain(0.123_456, 4), "0.1235");
    }

    #[test]
    fn exact_numbers_are_read_back() {
        for (v, text) in [(0.1, "0.1"), (-2.0, "-2"), (5e160, "5e160"), (1.5e-7, "1.5e-7"), (0.0, "0")] {
            assert_eq!(exact(v), text);
            assert_eq!(text.parse::<f64>(), Ok(v));
        }
    }

    #[test]
    fn tables_align() {
        assert_eq!(table(&[("a", "x\ny".into()), ("λλ", "z".into())]), "  a   x\n      y\n  λλ  z\n");
    }
}
