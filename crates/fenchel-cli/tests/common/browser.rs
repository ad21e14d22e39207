//! A page in a browser without a window, where one is installed.

#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The widths of a telephone and of a desk.
pub const WIDTHS: [u32; 2] = [360, 1280];

/// Chromium or one of its kin.
pub fn find() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
    let path = std::env::var_os("PATH")?;
    let candidates = std::env::split_paths(&path).flat_map(|dir| names.map(|n| dir.join(n)));
    candidates.into_iter().find(|c| c.is_file())
}

/// A page, looked at.
#[derive(Debug)]
pub struct Look {
    /// The page as the browser has it.
    pub dom: String,
    /// What it wrote to its console: errors, refusals.
    pub console: Vec<String>,
}

/// Loads a file.
pub fn look(browser: &Path, page: &Path) -> Look {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--enable-logging=stderr"])
        .args(["--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--virtual-time-budget=4000", "--timeout=60000", "--dump-dom"])
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    let console = String::from_utf8_lossy(&output.stderr);
    Look {
        dom: String::from_utf8_lossy(&output.stdout).into_owned(),
        console: console.lines().filter(|l| l.contains("CONSOLE")).map(str::to_owned).collect(),
    }
}

/// What the browser makes of a page at each width: (width, width of the content, claims, things fetched from elsewhere).
pub fn measure(browser: &Path, html: &str, place: &Path) -> Vec<[u32; 4]> {
    let quoted = html.replace('&', "&amp;").replace('"', "&quot;");
    let frames: String = WIDTHS
        .iter()
        .map(|w| format!("<iframe width={w} height=900 style=\"border:0\" srcdoc=\"{quoted}\"></iframe>"))
        .collect();
    let script = "addEventListener('load', () => {
        const rows = [...document.querySelectorAll('iframe')].map(f => {
            const d = f.contentDocument, w = f.contentWindow;
            const fetched = w.performance.getEntriesByType('resource').filter(e => !e.name.startsWith('data:'));
            return [f.clientWidth, d.documentElement.scrollWidth, d.querySelectorAll('.claim').length, fetched.length];
        });
        document.getElementById('out').textContent = 'measured ' + rows.join(';') + ' end';
    });";
    let harness =
        format!("<!DOCTYPE html><meta charset=utf-8>{frames}<p id=out></p><script>{script}</script>");
    let file = place.join("harness.html");
    std::fs::write(&file, harness).unwrap();
    let dom = look(browser, &file).dom;
    let mark = "<p id=\"out\">measured ";
    let from = dom.find(mark).unwrap_or_else(|| panic!("the page does not load:\n{dom}")) + mark.len();
    let rows = dom[from..].split(" end").next().unwrap();
    rows.split(';')
        .map(|row| {
            let numbers: Vec<u32> = row.split(',').map(|n| n.parse().unwrap()).collect();
            numbers.try_into().unwrap()
        })
        .collect()
}

/// Panics unless every element that is opened is closed in its turn, attributes are quoted and text is escaped.
pub fn assert_well_formed(html: &str) {
    const VOID: [&str; 5] = ["meta", "br", "hr", "img", "link"];
    let mut open: Vec<&str> = Vec::new();
    let mut rest = html.strip_prefix("<!DOCTYPE html>").expect("a document type");
    while let Some(at) = rest.find('<') {
        if open.last() != Some(&"style") {
            let text = &rest[..at];
            for (i, _) in text.match_indices('&') {
                let entity = text[i + 1..].split(';').next().unwrap();
                let known = ["amp", "lt", "gt", "quot", "apos"].contains(&entity) || entity.starts_with('#');
                assert!(known, "a bare & in: {text}");
            }
            assert!(!text.contains('>'), "a bare > in: {text}");
        }
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = &comment[comment.find("-->").expect("a comment that ends") + 3..];
            continue;
        }
        // Angle brackets may stand in quotes.
        let mut quoted = false;
        let end = rest.find(|c| {
            quoted ^= c == '"';
            c == '>' && !quoted
        });
        let tag = &rest[..end.expect("a tag that ends")];
        rest = &rest[tag.len() + 1..];
        let name = tag.trim_start_matches('/').split([' ', '\n', '/']).next().unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "closed out of turn");
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
    }
    assert!(open.is_empty(), "never closed: {open:?}");
}
