//! `fenchel reproduce`: lists, refuses, runs, and writes pages that stand alone.

#[path = "common/browser.rs"]
mod browser;
mod common;

use common::{Place, Run};
use std::time::{Duration, Instant};

/// All experiments, in the order of the list.
fn names() -> Vec<String> {
    let list = Place::new().run(&["reproduce"]);
    assert_eq!((list.code, list.err.as_str()), (0, ""));
    let rows = list.out.lines().filter(|l| l.starts_with("  "));
    rows.map(|l| l.split_whitespace().next().unwrap().to_owned()).collect()
}

/// The smallest size there is.
fn tiny(place: &Place, names: &[&str], more: &[&str]) -> Run {
    let run = place.run(&[&["reproduce", "--tiny"], names, more].concat());
    assert_eq!(run.code, 0, "{names:?}: {run:?}");
    run
}

fn claims(place: &Place, name: &str) -> Vec<serde_json::Value> {
    let text = place.read(&format!("fenchel-reproduce/{name}/claims.json"));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["experiment"], name);
    json["claims"].as_array().unwrap().clone()
}

#[test]
fn lists_what_there_is() {
    let names = names();
    for name in [
        "table-1",
        "proposition-3.3",
        "theorem-4.9",
        "corollary-4.10",
        "figure-1",
        "safe-kl",
        "safe-kl-bounds",
    ] {
        assert!(names.iter().any(|n| n == name), "{names:?}");
    }
    let mut once = names.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), names.len());
    let list = Place::new().run(&["reproduce"]).out;
    let takes = |what: &str| list.lines().filter(|l| l.contains(&format!("--data takes {what}"))).count();
    assert!(takes("a table") == 1 && takes("nothing") == 0, "{list}");
    let help = Place::new().run(&["reproduce", "--help"]).out;
    assert!(help.contains("--quick") && help.contains("index.html") && !help.contains("tiny"), "{help}");
}

#[test]
fn refuses_in_the_users_terms() {
    let place = Place::new();
    place.refused(
        &["reproduce", "figure-11"],
        &["experiment 'figure-11'", "did you mean 'figure-1'?", "table-1"],
    );
    place.refused(&["reproduce", "table-1", "nothing-like-it"], &["nothing-like-it", "all"]);
    place.refused(&["reproduce", "table-1", "--threads", "0"], &["threads", "at least 1"]);
    place.refused(&["reproduce", "table-1", "--seed", "-1"], &["--seed"]);
    place.refused(&["reproduce", "table-1", "--quick", "--tiny"], &["--quick"]);
    place.refused(
        &["reproduce", "robust-regression", "table-1", "--data", "houses.csv"],
        &["--data", "table-1 takes nothing", "robust-regression a table"],
    );
    place.refused(&["reproduce", "robust-regression", "--target", "y"], &["--data"]);
    place.refused(&["reproduce", "--data", "houses.csv"], &["NAME"]);
    let data = |file: &str, more: &[&str], parts: &[&str]| {
        place.refused(&[&["reproduce", "robust-regression", "--tiny", "--data", file], more].concat(), parts);
    };
    data("houses.csv", &[], &["--data", "houses.csv", "no such file"]);
    data(&place.file("words.csv", "x,y\n1,two\n"), &[], &["words.csv", "line 2", "two"]);
    data(&place.file("one.csv", "y\n1\n2\n"), &[], &["one.csv", "a label"]);
    data(
        &place.file("two.csv", "x,price\n1,2\n3,4\n"),
        &["--target", "prices"],
        &["--target", "did you mean 'price'?"],
    );
    place.file("taken", "");
    place.refused(&["reproduce", "table-1", "--tiny", "--out", "taken"], &["taken", "--out"]);
    assert!(!place.exists("fenchel-reproduce"), "nothing is written before names are known");
}

/// Every experiment, small: claims with all their parts, pictures, data that are the same for any number of threads,
/// and a page that says all of it.
#[test]
fn every_experiment_writes_all_of_it() {
    for name in names() {
        let (one, two) = (Place::new(), Place::new());
        let run = tiny(&one, &[&name], &["--threads", "1"]);
        tiny(&two, &[&name], &["--threads", "2", "--quiet"]);
        let directory = format!("fenchel-reproduce/{name}");
        let files = one.list(&directory);
        assert_eq!(files, two.list(&directory));
        for file in &files {
            assert!(run.out.contains(file.as_str()), "{file} is not mentioned: {}", run.out);
            let path = format!("{directory}/{file}");
            match file.rsplit('.').next().unwrap() {
                "csv" => {
                    let (a, b) = (one.read(&path), two.read(&path));
                    assert!(a == b, "{path} depends on the number of threads");
                    let width = |l: &str| l.split(',').count();
                    let header = a.lines().next().unwrap();
                    let plain = || a.lines().filter(|l| !l.contains('"'));
                    assert!(plain().all(|l| width(l) == width(header)) && a.lines().count() > 1, "{path}");
                    assert!(!a.contains("NaN") && !a.contains("inf"), "{path}: {a}");
                }
                "svg" => assert!(one.read(&path).contains("</svg>")),
                "png" => assert!(std::fs::read(one.path().join(&path)).unwrap().starts_with(b"\x89PNG")),
                "json" | "html" => {}
                other => panic!("what is a .{other}?"),
            }
        }
        for extension in ["csv", "svg", "png", "html", "json"] {
            assert!(files.iter().any(|f| f.ends_with(extension)), "{name} has no {extension}");
        }
        let page = one.read(&format!("{directory}/index.html"));
        browser::assert_well_formed(&page);
        let claims = claims(&one, &name);
        assert!(!claims.is_empty(), "{name}");
        assert_eq!(page.matches("<article class=\"claim").count(), claims.len(), "{name}");
        for claim in &claims {
            for part in ["place", "statement", "measured"] {
                assert!(!claim[part].as_str().unwrap().is_empty(), "{name}: {claim}");
            }
            let verdict = claim["verdict"].as_str().unwrap();
            // What no run can judge has no criterion.
            assert!(verdict == "not-judged" || claim["criterion"] != "", "{name}: {claim}");
            let reason = claim["reason"].as_str().unwrap_or_default();
            assert_eq!(verdict == "holds", reason.is_empty(), "{name}: {claim}");
            assert!(["holds", "fails", "not-judged"].contains(&verdict), "{claim}");
        }
        assert!(page.contains(&format!("fenchel reproduce {name} --tiny --seed 1")), "how to repeat it");
    }
}

/// In a browser: no complaints, nothing fetched, nothing wider than a telephone, every claim there.
#[test]
fn pages_stand_alone_in_a_browser() {
    let Some(browser) = browser::find() else {
        eprintln!(
            "no chromium here: the pages were checked for form only (every_experiment_writes_all_of_it)"
        );
        return;
    };
    let place = Place::new();
    tiny(&place, &["all"], &["--quiet"]);
    for name in names() {
        let file = place.path().join(format!("fenchel-reproduce/{name}/index.html"));
        let html = std::fs::read_to_string(&file).unwrap();
        let seen = browser::look(&browser, &file);
        assert!(seen.console.is_empty(), "{name}: {:?}", seen.console);
        for claim in claims(&place, &name) {
            let verdict = claim["verdict"].as_str().unwrap().replace('-', " ");
            assert!(seen.dom.contains(&format!("{verdict}</span></h3>")), "{name}: {claim}");
        }
        let count = claims(&place, &name).len() as u32;
        for [width, content, claims, fetched] in browser::measure(&browser, &html, place.path()) {
            assert!(content <= width, "{name}: {content} wide at {width}");
            assert_eq!((claims, fetched), (count, 0), "{name} at {width}");
        }
    }
    // And the test can fail: a page that is too wide, complains, and asks for something.
    let bad = "<!DOCTYPE html><html><head><title>t</title></head><body><article class=\"claim\" style=\"width:900px\">\
               x</article><img src=\"http://fenchel.invalid/x.png\"><script>console.error('no')</script></body></html>";
    let file = place.path().join("bad.html");
    std::fs::write(&file, bad).unwrap();
    assert!(!browser::look(&browser, &file).console.is_empty());
    let phone = browser::measure(&browser, bad, place.path())[0];
    assert!(phone[1] > phone[0] && phone[2] == 1 && phone[3] == 1, "{phone:?}");
}

/// Another seed, other numbers; the same seed, the same.
#[test]
fn numbers_follow_the_seed() {
    let data = |seed: &str| {
        let place = Place::new();
        tiny(&place, &["theorem-4.9"], &["--seed", seed, "--quiet"]);
        place.read("fenchel-reproduce/theorem-4.9/rows.csv")
    };
    assert_eq!(data("5"), data("5"));
    assert_ne!(data("5"), data("6"));
}

/// A table of the user's takes the place of the one built in, wherever its label stands; the page says how to repeat it.
#[test]
fn experiments_run_on_data_of_the_users() {
    let place = Place::new();
    let row = |i: usize| {
        let (a, b) = (i as f64 * 0.37 % 2.0, (i * i) as f64 * 0.11 % 3.0);
        [a, b, a - 0.5 * b + (i % 7) as f64 / 7.0 + if i == 33 { 4.0 } else { 0.0 }]
    };
    let table = |names: &str, order: [usize; 3]| {
        let line = |i: usize| order.map(|k| row(i)[k].to_string()).join(",") + "\n";
        names.to_owned() + "\n" + &(0..300).map(line).collect::<String>()
    };
    let exact = |options: &[&str]| {
        tiny(&place, &["robust-regression"], &[&["--quiet"], options].concat());
        place.read("fenchel-reproduce/robust-regression/exact.csv")
    };
    let last = exact(&["--data", &place.file("last.csv", table("a,b,y", [0, 1, 2]))]);
    let first = exact(&["--data", &place.file("my first.csv", table("y,a,b", [2, 0, 1])), "--target", "y"]);
    assert_eq!(last, first);
    let page = place.read("fenchel-reproduce/robust-regression/index.html");
    browser::assert_well_formed(&page);
    assert!(page.contains("--seed 1 --data 'my first.csv' --target y<"), "how to repeat it");
    assert!(page.contains("300 rows of 2 features"));
    let record: serde_json::Value =
        serde_json::from_str(&place.read("fenchel-reproduce/robust-regression/claims.json")).unwrap();
    assert_eq!(record["data"], "my first.csv");
    assert_ne!(exact(&["--data", "last.csv", "--target", "1"]), last);
}

/// A folder in the format of MNIST with one part or both, of images in which a bright block wanders.
#[cfg(feature = "networks")]
fn images(place: &Place, name: &str, parts: &[(&str, u32)], height: u32, width: u32) -> String {
    std::fs::create_dir_all(place.path().join(name)).unwrap();
    for (part, n) in parts {
        let pixel = |i: u32, k: u32| ((i * 7 + k) % 11 * 23 + i % 5) as u8;
        let bytes: Vec<u8> = (0..*n).flat_map(|i| (0..height * width).map(move |k| pixel(i, k))).collect();
        let file = format!("{name}/{part}-images-idx3-ubyte");
        place.file(&file, common::idx(&[*n, height, width], &bytes));
        let labels: Vec<u8> = (0..*n).map(|i| (i % 3) as u8).collect();
        place.file(&format!("{name}/{part}-labels-idx1-ubyte"), common::idx(&[*n], &labels));
    }
    name.to_owned()
}

/// Images of the user's are transported whatever their size is, and claims are judged on them alone.
#[cfg(feature = "networks")]
#[test]
fn folders_of_images_take_the_place_of_drawn_shapes() {
    const NAME: &str = "digits-to-letters";
    let (place, drawn) = (Place::new(), Place::new());
    let run = tiny(&drawn, &[NAME], &[]);
    let smoke = claims(&drawn, NAME);
    assert!(smoke.iter().all(|claim| claim["verdict"] == "not-judged"), "{smoke:?}");
    for text in [run.out, drawn.read(&format!("fenchel-reproduce/{NAME}/index.html"))] {
        assert!(text.contains("judged on images given by --data"), "{text}");
    }
    let source = images(&place, "digits", &[("t10k", 60)], 6, 5);
    let target = images(&place, "my letters", &[("train", 20), ("t10k", 40)], 6, 5);
    tiny(&place, &[NAME], &["--quiet", "--data", &source, "--data", &target]);
    let page = place.read(&format!("fenchel-reproduce/{NAME}/index.html"));
    browser::assert_well_formed(&page);
    for text in ["6 × 5", "20 and 20 images", "--data digits --data 'my letters'<"] {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("SMOKE"));
    let judged = claims(&place, NAME);
    assert!(judged.iter().all(|claim| claim["verdict"] != "not-judged"), "{judged:?}");
}

#[cfg(feature = "networks")]
#[test]
fn folders_of_images_that_do_not_fit_are_refused() {
    let place = Place::new();
    images(&place, "digits", &[("t10k", 60)], 6, 5);
    images(&place, "wide", &[("t10k", 60)], 5, 6);
    images(&place, "few", &[("t10k", 55)], 6, 5);
    images(&place, "few-to-train", &[("train", 15), ("t10k", 60)], 6, 5);
    images(&place, "few-to-test", &[("train", 60), ("t10k", 39)], 6, 5);
    images(&place, "unlike", &[("train", 60)], 4, 4);
    images(&place, "unlike", &[("t10k", 60)], 6, 5);
    let refused = |source: &str, target: &str, parts: &[&str]| {
        place.refused(
            &["reproduce", "digits-to-letters", "--tiny", "--data", source, "--data", target],
            parts,
        );
    };
    refused("digits", "wide", &["--data", "source are 6 × 5", "target 5 × 6", "one size"]);
    refused("digits", "unlike", &["source are 6 × 5", "4 × 4 and 6 × 5"]);
    refused("digits", "few", &["few has 55 images", "at least 56", "40 to measure with"]);
    refused("few-to-train", "digits", &["few-to-train has 15 images to train with", "at least 16"]);
    refused("digits", "few-to-test", &["few-to-test has 39 images to test with", "at least 40"]);
    refused("digits", "nothing", &["--data", "nothing"]);
    place.refused(
        &["reproduce", "digits-to-letters", "--data", "digits"],
        &["--data", "2 folders of images (source, target) wanted, 1 given"],
    );
    place.refused(
        &["reproduce", "digits-to-letters", "--data", "digits", "--data", "digits", "--target", "y"],
        &["--target", "images have one label each"],
    );
}

/// Folders of images: any size, any number of classes, one part or two; judged there, and on drawn shapes not.
#[cfg(feature = "networks")]
#[test]
fn images_of_the_users_are_what_claims_are_judged_on() {
    let place = Place::new();
    let folder = |name: &str, parts: &[(&str, u32, u32, u8)]| {
        std::fs::create_dir(place.path().join(name)).unwrap();
        for (part, n, height, classes) in parts {
            let size = height * 11;
            // A bright line, at a place for each class.
            let label = |i: u32| (i % u32::from(*classes)) as u8;
            let pixel = |j: u32| {
                if j % size / 11 == 2 + 3 * u32::from(label(j / size)) { 200 } else { (j * j % 31) as u8 }
            };
            let images = common::idx(&[*n, *height, 11], &(0..n * size).map(pixel).collect::<Vec<_>>());
            place.file(&format!("{name}/{part}-images-idx3-ubyte"), images);
            let labels = common::idx(&[*n], &(0..*n).map(|i| 3 * label(i) + 1).collect::<Vec<_>>());
            place.file(&format!("{name}/{part}-labels-idx1-ubyte"), labels);
        }
    };
    let run = |options: &[&str], words: &[&str]| {
        tiny(&place, &["label-noise"], &[&["--quiet"], options].concat());
        let page = place.read("fenchel-reproduce/label-noise/index.html");
        browser::assert_well_formed(&page);
        words.iter().for_each(|w| assert!(page.contains(w), "{w}: {page}"));
        claims(&place, "label-noise")
    };
    folder("two parts", &[("train", 30, 12, 3), ("t10k", 25, 12, 3)]);
    let words = [
        "12 × 11 pixels, 3 classes; 20 images to learn from, 10 to validate and 10 to test with",
        "8 of 30 labels",
    ];
    let judged = run(&["--data", "two parts"], &words);
    assert!(judged.iter().all(|c| c["criterion"] != ""), "{judged:?}");
    assert!(judged.iter().filter(|c| c["verdict"] != "not-judged").count() >= 7, "{judged:?}");
    folder("one", &[("shapes", 45, 14, 2)]);
    run(
        &["--data", "one"],
        &["14 × 11 pixels, 2 classes; 20 images to learn from, 10 to validate and 10 to test with"],
    );
    for claim in run(&[], &["This is a smoke test", "28 × 28 pixels, 10 classes"]) {
        assert_eq!(claim["verdict"], "not-judged");
        assert!(claim["reason"].as_str().unwrap().contains("real images"), "{claim}");
    }

    let refused = |name: &str, parts: &[&str]| {
        place.refused(
            &["reproduce", "label-noise", "--tiny", "--data", name],
            &[&["--data", name], parts].concat(),
        );
    };
    folder("few", &[("train", 39, 12, 3)]);
    refused("few", &["39 images are too few for 3 parts", "at least 40"]);
    folder("same", &[("train", 50, 12, 1)]);
    refused("same", &["1 in every image", "two classes"]);
    folder("small", &[("train", 50, 8, 2)]);
    refused("small", &["height of the image", "at least 10 pixels"]);
    folder("unlike", &[("train", 40, 12, 2), ("test", 20, 13, 2)]);
    refused("unlike", &["12 × 11", "13 × 11"]);
    folder("bare", &[("train", 40, 12, 2)]);
    std::fs::remove_file(place.path().join("bare/train-labels-idx1-ubyte")).unwrap();
    refused("bare", &["labels"]);
    refused("nowhere", &["cannot be read"]);
    place.refused(
        &["reproduce", "label-noise", "--tiny", "--data", "one", "--target", "2"],
        &["--target", "images have one label"],
    );
}

/// The verdicts that are facts of arithmetic, at any size.
#[test]
fn what_is_certain_comes_out_so() {
    let place = Place::new();
    let names = [
        "table-1",
        "theorem-4.9",
        "proposition-3.3",
        "corollary-4.10",
        "chebyshev-set",
        "discrete-choice",
        "knapsack",
        "safe-kl",
        "safe-kl-bounds",
    ];
    tiny(&place, &names, &[]);
    let verdicts = |name: &str| {
        let claims = claims(&place, name);
        claims.iter().map(|c| c["verdict"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // The t-distribution's row is printed wrongly.
    assert_eq!(verdicts("table-1"), ["holds", "holds", "holds", "holds", "holds", "fails"]);
    assert!(verdicts("theorem-4.9").iter().all(|v| v == "holds"));
    assert!(verdicts("proposition-3.3").iter().all(|v| v == "holds"));
    assert_eq!(verdicts("corollary-4.10"), ["holds", "holds", "holds", "holds", "not-judged"]);
    // What is printed in two places is not what is meant, and all the rest is.
    let failing = |name: &str| {
        let verdicts = verdicts(name);
        assert!(
            verdicts.len() > 4 && verdicts.iter().all(|v| v == "holds" || v == "fails"),
            "{name}: {verdicts:?}"
        );
        let claims = claims(&place, name);
        let failing = claims.iter().filter(|c| c["verdict"] == "fails");
        failing.map(|c| c["place"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(failing("chebyshev-set"), ["Proposition 3.5, as printed"]);
    assert_eq!(failing("discrete-choice"), ["Proposition 3.4, as printed"]);
    assert!(verdicts("safe-kl").iter().all(|v| v == "holds"));
    assert_eq!(failing("safe-kl-bounds"), ["After Proposition 2.4, as printed"]);
    // By arithmetic: with an error of ε at most, the search cannot miss.
    let knapsack = claims(&place, "knapsack");
    let corollary = knapsack.iter().find(|c| c["place"] == "Corollary 2.5").unwrap();
    assert_eq!(corollary["verdict"], "holds");
}

/// Ctrl-C: the exit code of an interruption, soon, one line, and no half of an experiment.
#[cfg(unix)]
#[test]
fn interruption_leaves_nothing_behind() {
    let place = Place::new();
    let child = place.command(&["reproduce", "figure-1"]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    let asked = Instant::now();
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(asked.elapsed() < Duration::from_secs(60), "{:?}", asked.elapsed());
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(err, "interrupted: nothing of figure-1 was written\n");
    assert!(place.list("fenchel-reproduce/figure-1").is_empty());
}
