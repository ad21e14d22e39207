//! The page of an experiment: one HTML file that needs nothing else, neither network nor script.

use super::data::Data;
use super::experiments::Experiment;
use super::findings::{Claim, Findings, Table, Verdict};
use super::lab::{Effort, Lab};
use crate::report;

/// Colours by role, for light and for dark surroundings; drawings change theirs by the same roles.
const STYLE: &str = include_str!("page.css");

/// The page; `svgs` are the findings' pictures.
pub fn page(
    experiment: &Experiment,
    findings: &Findings,
    svgs: &[String],
    lab: &Lab,
    seconds: f64,
    files: &[String],
) -> String {
    let (title, paper) = (escaped(experiment.title), escaped(experiment.paper));
    let mut body = format!("<header>\n<p class=\"paper\">{paper}</p>\n<h1>{title}</h1>\n");
    body.push_str(&summary(&findings.claims));
    body.push_str("</header>\n<main>\n");
    if lab.effort() != Effort::Full {
        body.push_str(
            "<p class=\"note\">This was a small run, for a first look: fewer and shorter runs than the full \
             experiment, so that slopes and differences are less certain.</p>\n",
        );
    }
    body.push_str("<section aria-labelledby=\"run\">\n<h2 id=\"run\">What was run</h2>\n");
    for paragraph in &findings.setup {
        body.push_str(&format!("<p>{}</p>\n", prose(paragraph)));
    }
    body.push_str("</section>\n<section aria-labelledby=\"claims\">\n<h2 id=\"claims\">Claims</h2>\n");
    findings.claims.iter().for_each(|c| body.push_str(&claim(c)));
    body.push_str("</section>\n");
    if !svgs.is_empty() {
        body.push_str("<section aria-labelledby=\"pictures\">\n<h2 id=\"pictures\">Pictures</h2>\n");
        for (i, (picture, svg)) in findings.pictures.iter().zip(svgs).enumerate() {
            let caption = prose(&picture.caption);
            body.push_str(&format!(
                "<figure>\n<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"{}\">\n{}\n</div>\n\
                 <figcaption>{caption}</figcaption>\n</figure>\n",
                escaped(picture.name),
                inline(svg, &picture.alt, i),
            ));
        }
        body.push_str("</section>\n");
    }
    let shown: Vec<&Table> = findings.tables.iter().filter(|t| t.shown).collect();
    if !shown.is_empty() {
        body.push_str("<section aria-labelledby=\"numbers\">\n<h2 id=\"numbers\">Numbers</h2>\n");
        shown.into_iter().for_each(|t| body.push_str(&table(t)));
        body.push_str("</section>\n");
    }
    body.push_str("</main>\n<footer>\n");
    let option = match lab.effort() {
        Effort::Full => "",
        Effort::Quick => " --quick",
        Effort::Tiny => " --tiny",
    };
    body.push_str(&format!(
        "<p>To repeat it: <code>fenchel reproduce {}{option} --seed {}{}</code> (took {}). The numbers behind the \
         pictures are beside this page: {}.</p>\n<p>fenchel {}</p>\n</footer>\n",
        experiment.name,
        lab.seed(),
        escaped(&lab.data().map(Data::options).unwrap_or_default()),
        report::seconds(seconds),
        files.iter().filter(|f| f.ends_with(".csv")).map(|f| link(f)).collect::<Vec<_>>().join(", "),
        env!("CARGO_PKG_VERSION"),
    ));
    // Nothing may be loaded from anywhere: should a drawing ever ask for a font or an image, it is refused.
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         img-src data:\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
}

/// How many claims hold, fail, were not judged.
fn summary(claims: &[Claim]) -> String {
    let mut text = String::from("<ul class=\"summary\" aria-label=\"Verdicts\">\n");
    for (verdict, plural) in
        [(Verdict::Holds, "hold"), (Verdict::Fails, "fail"), (Verdict::NotJudged, "not judged")]
    {
        let n = claims.iter().filter(|c| c.verdict == verdict).count();
        if n > 0 {
            let words = if n == 1 { verdict.words() } else { plural };
            text.push_str(&format!("<li class=\"{}\">{n} {words}</li>\n", class(verdict)));
        }
    }
    text + "</ul>\n"
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds",
        Verdict::Fails => "fails",
        Verdict::NotJudged => "open",
    }
}

fn claim(c: &Claim) -> String {
    let mut text = format!(
        "<article class=\"claim {class}\">\n<h3>{place} <span class=\"badge {class}\">{words}</span></h3>\n\
         <div class=\"sides\">\n\
         <div><h4>{whose}</h4><p>{statement}</p></div>\n\
         <div><h4>What came out</h4>{measured}</div>\n</div>\n",
        class = class(c.verdict),
        place = prose(&c.place),
        words = c.verdict.words(),
        whose = if c.ours { "What is used here" } else { "The paper claims" },
        statement = prose(&c.statement),
        measured = lines(&c.measured),
    );
    if let Some(reason) = &c.reason {
        let why = if c.verdict == Verdict::Fails { "Why it fails" } else { "Why it was not judged" };
        text.push_str(&format!("<p class=\"reason\"><b>{why}.</b> {}</p>\n", prose(reason)));
    }
    if !c.criterion.is_empty() {
        text.push_str(&format!("<p class=\"criterion\">Taken to hold if {}.</p>\n", prose(&c.criterion)));
    }
    text + "</article>\n"
}

fn table(t: &Table) -> String {
    let head: String = t.columns.iter().map(|c| format!("<th scope=\"col\">{}</th>", escaped(c))).collect();
    let mut text = format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"{}\">\n<table>\n<caption>{} ({})</caption>\n\
         <thead><tr>{head}</tr></thead>\n<tbody>\n",
        escaped(t.name),
        escaped(&t.caption),
        link(&format!("{}.csv", t.name)),
    );
    for row in &t.rows {
        let cells: String = row.iter().map(|c| format!("<td>{}</td>", escaped(&c.short()))).collect();
        text.push_str(&format!("<tr>{cells}</tr>\n"));
    }
    text + "</tbody>\n</table>\n</div>\n"
}

fn link(file: &str) -> String {
    format!("<a href=\"{file}\">{file}</a>", file = escaped(file))
}

/// A drawing inside the page: named for those who cannot see it, its definitions apart from other drawings'.
fn inline(svg: &str, alt: &str, number: usize) -> String {
    let named = format!("<svg role=\"img\" aria-label=\"{}\" ", escaped(alt));
    let from = svg.find("<svg ").unwrap_or(0);
    svg[from..]
        .replacen("<svg ", &named, 1)
        .replace("<clipPath id=\"", &format!("<clipPath id=\"p{number}-"))
        .replace("url(#", &format!("url(#p{number}-"))
}

/// The first line, and a list of the others.
fn lines(text: &str) -> String {
    let mut lines = text.lines();
    let first = format!("<p>{}</p>", prose(lines.next().unwrap_or_default()));
    let items: String = lines.map(|l| format!("<li>{}</li>", prose(l))).collect();
    if items.is_empty() { first } else { format!("{first}<ul>{items}</ul>") }
}

/// Text as HTML, with η_i as η and its subscript, 2^16 as 2 and its superscript.
fn prose(text: &str) -> String {
    let text: Vec<char> = escaped(text).chars().collect();
    let mut html = String::new();
    let mut i = 0;
    while i < text.len() {
        let one = |k: usize| text.get(k).is_some_and(|c| c.is_alphabetic() || *c == '∞');
        let digits = text[i + 1..].iter().take_while(|c| c.is_ascii_digit()).count();
        if text[i] == '_' && i > 0 && one(i + 1) && !one(i + 2) {
            html.push_str(&format!("<sub>{}</sub>", text[i + 1]));
            i += 2;
        } else if text[i] == '^' && digits > 0 {
            html.push_str(&format!("<sup>{}</sup>", text[i + 1..][..digits].iter().collect::<String>()));
            i += 1 + digits;
        } else {
            html.push(text[i]);
            i += 1;
        }
    }
    html
}

/// Text as HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        assert_eq!(escaped("a<b & \"c\">"), "a&lt;b &amp; &quot;c&quot;&gt;");
        let c = Claim::new("<i>", "a < b", "c", "d".into(), false).because("1 > 0");
        let html = claim(&c);
        assert_eq!(prose("p_i/η_i of a_file < 1"), "p<sub>i</sub>/η<sub>i</sub> of a_file &lt; 1");
        assert_eq!(prose("‖x‖_∞, 2^16, e^x"), "‖x‖<sub>∞</sub>, 2<sup>16</sup>, e^x");
        assert_eq!(lines("a:\nb\nc"), "<p>a:</p><ul><li>b</li><li>c</li></ul>");
        assert!(html.contains("&lt;i&gt;") && html.contains("1 &gt; 0") && html.contains("fails"), "{html}");
    }

    #[test]
    fn drawings_keep_their_own_definitions() {
        let svg = "<?xml?><svg width=\"1\"><clipPath id=\"a\"/><g clip-path=\"url(#a)\"/></svg>";
        let there = inline(svg, "two \"curves\"", 3);
        assert!(
            there.starts_with("<svg role=\"img\" aria-label=\"two &quot;curves&quot;\" width"),
            "{there}"
        );
        assert!(there.contains("id=\"p3-a\"") && there.contains("url(#p3-a)"), "{there}");
    }
}
