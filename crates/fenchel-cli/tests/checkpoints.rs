//! Runs that are interrupted, killed and taken up again.

#![cfg(unix)]

mod common;

use common::{Place, Run};
use fenchel::transport::Checkpoint;
use serde_json::Value;
use std::io::Read;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// A problem that takes a second or two, of either kind.
const AUTO: [&str; 7] =
    ["--target", "shops.csv", "--lambda", "rel:0.01", "--tolerance", "2e-3", "--no-pictures"];
const ASGD: [&str; 9] =
    ["--target", "shops.csv", "--solver", "asgd", "--steps", "60000", "--tolerance", "0.9", "--no-pictures"];

/// The same from a source that is read where it is.
const FILE: [&str; 13] = [
    "--source",
    "crowd.csv",
    "--memory",
    "16MiB",
    "--target",
    "shops.csv",
    "--columns",
    "x,y",
    "--lambda",
    "rel:0.03",
    "--tolerance",
    "2e-2",
    "--no-pictures",
];

fn place() -> Place {
    let place = Place::new();
    // A Kronecker sequence in the unit square, with weights from 1 to 3.
    let row = |i: usize| {
        let part = |a: f64| (i as f64 * a).fract();
        format!("{},{},{}\n", part(0.754_877_666), part(0.569_840_291), 1 + i % 3)
    };
    place.file("shops.csv", format!("x,y,size\n{}", (1..150).map(row).collect::<String>()));
    place.file("people.csv", format!("x,y,size\n{}", (151..2000).map(row).collect::<String>()));
    place
}

/// Everything but the times and where files are.
fn without_times(mut json: Value) -> Value {
    for key in ["seconds", "files", "checkpoint"] {
        json.as_object_mut().unwrap().remove(key).unwrap();
    }
    for point in json["history"].as_array_mut().unwrap() {
        point.as_object_mut().unwrap().remove("seconds").unwrap();
    }
    json
}

/// What a run has left in its directory.
fn result(place: &Place, directory: &str) -> (Value, String, String) {
    let json = serde_json::from_str(&place.read(&format!("{directory}/result.json"))).unwrap();
    let (csv, plan) =
        (place.read(&format!("{directory}/potentials.csv")), place.read(&format!("{directory}/plan.json")));
    (without_times(json), csv, plan)
}

/// The whole run in one go.
fn uninterrupted(place: &Place, options: &[&str]) -> (Value, String, String) {
    let run = place.run(&[&["transport", "--out", "whole", "--quiet"], options].concat());
    assert!(run.code < 2, "{run:?}");
    result(place, "whole")
}

fn check(place: &Place, file: &str) {
    let bytes = std::fs::read(place.path().join(file)).unwrap();
    let head = bytes.iter().position(|b| *b == b'\n').unwrap();
    assert!(serde_json::from_slice::<Value>(&bytes[..head]).unwrap()["arguments"].is_array());
    Checkpoint::from_bytes(file, &bytes[head + 1..]).unwrap();
}

fn end(mut child: Child) -> Run {
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    Run { code: child.wait().unwrap().code().expect("ended by itself"), out, err }
}

#[test]
fn killed_at_any_moment_it_goes_on() {
    let place = place();
    // More than an eighth of the memory.
    let row = |i: usize| format!("{},{}\n", (i as f64 * 0.618).sin(), (i as f64 * 0.414).fract());
    place.file("crowd.csv", format!("x,y\n{}", (0..140_000).map(row).collect::<String>()));
    for (options, name) in [(&AUTO[..], "auto.ckpt"), (&ASGD, "asgd.ckpt"), (&FILE, "file.ckpt")] {
        let wanted = uninterrupted(&place, options);
        let first = [&["transport", "--out", "killed", "--quiet", "--checkpoint", name], options].concat();
        let (mut state, mut kills, mut resumed) = (17_u64, 0, 0);
        loop {
            let begun = place.exists(name);
            let mut args = if begun { vec!["transport", "--resume", name] } else { first.clone() };
            args.extend(["--threads", if kills % 2 == 0 { "1" } else { "2" }]);
            let mut child = place.command(&args).spawn().unwrap();
            resumed += u64::from(begun);
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // From the start of the program to some work; patience grows, so that the end is reached.
            let delay = Duration::from_millis((state >> 33) % (60 + 60 * kills));
            let start = Instant::now();
            let ended = loop {
                match child.try_wait().unwrap() {
                    Some(status) => break Some(status),
                    None if start.elapsed() >= delay && kills < 25 => break None,
                    None => std::thread::sleep(Duration::from_millis(1)),
                }
            };
            if let Some(status) = ended {
                assert!(status.code().is_some_and(|code| code < 2), "{:?}", end(child));
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            if place.exists(name) {
                check(&place, name);
            }
        }
        assert!(kills > 2 && resumed > 1, "{kills} kills, {resumed} resumed");
        assert!(result(&place, "killed") == wanted, "{name}: not the same after {kills} kills");
    }
}

#[test]
fn interrupted_it_says_how_to_go_on_and_does() {
    let place = place();
    for (options, out) in [(&AUTO[..], "auto"), (&ASGD, "asgd")] {
        let wanted = uninterrupted(&place, options);
        let child = place
            .command(&[&["transport", "--out", out, "--checkpoint", "run.ckpt"], options].concat())
            .spawn()
            .unwrap();
        let start = Instant::now();
        while !place.exists("run.ckpt") {
            assert!(start.elapsed() < Duration::from_secs(60), "no checkpoint");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(30));
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        let run = end(child);
        assert_eq!(run.code, 1, "{run:?}");
        assert!(run.out.contains("NOT converged: interrupted"), "{run:?}");
        assert!(run.out.contains("fenchel transport --resume run.ckpt"), "{run:?}");
        let partial: Value = serde_json::from_str(&place.read(&format!("{out}/result.json"))).unwrap();
        assert_eq!((&partial["status"], &partial["checkpoint"]), (&"interrupted".into(), &"run.ckpt".into()));
        check(&place, "run.ckpt");
        // Threads and places may be others, and what was said may be said again.
        let again = ["transport", "--resume", "run.ckpt", "--threads", "1", "--out", "again"];
        let run = place.run(&[&again[..], options].concat());
        assert!(run.code < 2 && !run.out.contains("interrupted"), "{run:?}");
        assert!(result(&place, "again") == wanted, "{out}");
        std::fs::remove_file(place.path().join("run.ckpt")).unwrap();
    }
}

#[test]
fn time_is_counted_on() {
    let place = place();
    // Its time is up at once.
    let run =
        place.run(&[&["transport", "--checkpoint", "t.ckpt", "--max-time", "1e-3"], &AUTO[..]].concat());
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.out.contains("--resume t.ckpt and a larger --max-time"), "{run:?}");
    let run = place.run(&["transport", "--resume", "t.ckpt", "--json"]);
    assert_eq!(run.json()["status"], "max_time", "the time of before is spent");
    let run = place.run(&["transport", "--resume", "t.ckpt", "--max-time", "300", "--json", "--out", "more"]);
    assert_eq!(run.code, 0, "{run:?}");
}

#[test]
fn what_cannot_be_taken_up_is_refused() {
    let place = place();
    let small = [
        "transport",
        "--target",
        "shops.csv",
        "--tolerance",
        "0.1",
        "--no-pictures",
        "--checkpoint",
        "s.ckpt",
    ];
    assert_eq!(place.run(&[&small[..], &["--columns", "x,y", "--out", "o"]].concat()).code, 0);
    let refused = |more: &[&str], parts: &[&str]| {
        place.refused(&[&["transport", "--resume", "s.ckpt"], more].concat(), parts);
    };
    refused(&["--seed", "5"], &["--resume s.ckpt", "the seed was 0, now 5"]);
    refused(&["--divergence", "chi2"], &["the divergence was kl, now chi2"]);
    refused(&["--columns", "x"], &["the atoms differ"]);
    refused(&["--weights", "size"], &["the weights differ"]);
    refused(&["--steps", "7"], &["--steps is an option of another method"]);
    place.file("shops.csv", place.read("shops.csv").replace(",3\n", ",3.5\n").replacen("0.7", "0.8", 1));
    refused(&[], &["the atoms differ"]);
    let bytes = std::fs::read(place.path().join("s.ckpt")).unwrap();
    place.file("s.ckpt", &bytes[..bytes.len() - 1]);
    refused(&[], &["s.ckpt: is a damaged checkpoint"]);
    place.file("s.ckpt", "x,y\n1,2\n");
    refused(&[], &["s.ckpt: is no checkpoint"]);
    place.file("s.ckpt", "");
    refused(&[], &["s.ckpt: is no checkpoint"]);
    place.refused(&["transport", "--resume", "nowhere"], &["nowhere: there is no such file"]);
    place.refused(&["transport", "--checkpoint", "no/where"], &["no/where", "cannot be written"]);
    // A slip of the hand costs no data.
    let before = place.read("shops.csv");
    let slip = ["transport", "--target", "shops.csv", "--checkpoint", "shops.csv"];
    place.refused(&slip, &["shops.csv", "no checkpoint: it is not overwritten"]);
    assert_eq!(place.read("shops.csv"), before);
}

#[test]
fn what_was_said_may_be_said_again() {
    let place = place();
    let lists = ["--source", "people.csv", "shops.csv", "--columns", "x", "--columns", "y"];
    let small = ["--target", "shops.csv", "--tolerance", "0.1", "--no-pictures", "--quiet"];
    let first = [&["transport", "--checkpoint", "r.ckpt", "--out", "whole"], &lists[..], &small].concat();
    assert_eq!(place.run(&first).code, 0);
    let resume = ["transport", "--resume", "r.ckpt"];
    let same = |more: &[&str], out: &str| {
        let run = place.run(&[&resume[..], more, &["--out", out]].concat());
        assert_eq!(run.code, 0, "{more:?}: {run:?}");
        assert!(result(&place, out) == result(&place, "whole"), "{more:?}");
    };
    same(&[], "a");
    same(&lists, "b");
    // What the run before had said counts once more.
    same(&[], "c");
    same(&small, "d");
    place.refused(&[&resume[..], &["--source", "people.csv"]].concat(), &["the source"]);
    place.refused(&[&resume[..], &["--columns", "y,x"]].concat(), &["the atoms differ"]);
}

#[test]
fn no_changed_byte_goes_unnoticed() {
    let place = place();
    let small = ["transport", "--target", "shops.csv", "--tolerance", "0.1", "--no-pictures", "--quiet"];
    assert_eq!(place.run(&[&small[..], &["--checkpoint", "s.ckpt", "--out", "o"]].concat()).code, 0);
    let bytes = std::fs::read(place.path().join("s.ckpt")).unwrap();
    let head = bytes.iter().position(|b| *b == b'\n').unwrap();
    for at in (0..head).step_by(5).chain((head..bytes.len()).step_by(bytes.len() / 60)) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 7);
        place.file("d.ckpt", &damaged);
        let args = ["transport", "--resume", "d.ckpt", "--out", "p"];
        let run = place.run(&args);
        // In the options a changed byte may say something else that can be done, with the same bits.
        if at < head && run.code == 0 {
            assert!(result(&place, "p") == result(&place, "o"), "{at}");
        } else {
            place.refused(&args, &["d.ckpt"]);
        }
    }
}
