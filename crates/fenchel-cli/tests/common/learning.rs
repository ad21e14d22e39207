//! Tables to learn from, and fits of them.

#![allow(dead_code)] // Each test file uses its own part of this.

use crate::common::Place;
use serde_json::Value;

pub fn number(v: &Value) -> f64 {
    v.as_f64().unwrap_or_else(|| panic!("{v} is no number"))
}

/// Two features, a region, and a label that is linear in them but for waves and, now and then, a gross error.
pub fn houses(n: usize) -> String {
    let mut text = String::from("size,age,region,price\n");
    for i in 0..n {
        let t = i as f64;
        let (size, age) = (50.0 + 40.0 * (0.7 * t).sin(), 30.0 + 25.0 * (1.3 * t).cos());
        let region = ["west", "east", "north"][i % 3];
        let gross = if i % 17 == 5 { 60.0 } else { 0.0 };
        let price = 20.0 + 3.0 * size - age + 5.0 * (i % 3) as f64 + 8.0 * (2.1 * t).sin() + gross;
        text.push_str(&format!("{size},{age},{region},{price}\n"));
    }
    text
}

pub fn fit(place: &Place, args: &[&str]) -> Value {
    let run = place.run(&[&["robust", "--json", "--no-pictures"], args].concat());
    assert_eq!(run.code, 0, "{args:?}: {run:?}");
    run.json()
}

/// A column of a CSV file, as text.
pub fn column(csv: &str, name: &str) -> Vec<String> {
    let mut lines = csv.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    let at =
        lines.next().unwrap().iter().position(|n| n == name).unwrap_or_else(|| panic!("no {name} in {csv}"));
    lines.map(|line| line[at].clone()).collect()
}

pub fn numbers(csv: &str, name: &str) -> Vec<f64> {
    column(csv, name).iter().map(|x| x.parse().unwrap()).collect()
}

pub fn close(a: f64, b: f64, relative: f64) -> bool {
    (a - b).abs() <= relative * a.abs().max(b.abs())
}
