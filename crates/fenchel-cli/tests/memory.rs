//! Files larger than memory: what they take, and what the command says of them.

mod common;

use common::{Place, Run, npy};
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::process::Child;
use std::time::Duration;

/// Points on a triangle, without end; independent enough to be a source.
struct Points(u64);

impl Points {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn next(&mut self) -> [f64; 2] {
        let (u, v) = (self.uniform(), self.uniform());
        if u + v < 1.0 { [u, v] } else { [1.0 - u, 1.0 - v] }
    }
}

fn write(place: &Place, name: &str, fill: impl FnOnce(&mut BufWriter<File>)) {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(place.path().join(name)).unwrap());
    fill(&mut out);
    out.flush().unwrap();
}

fn shops(place: &Place) {
    let mut points = Points(3);
    let rows: String = (0..30).map(|_| points.next()).map(|[x, y]| format!("{x},{y}\n")).collect();
    place.file("shops.csv", rows);
}

/// Runs to the end; the largest number of kilobytes that were resident.
#[cfg(target_os = "linux")]
fn peak(place: &Place, args: &[&str]) -> (Run, u64) {
    let mut child: Child = place.command(args).spawn().unwrap();
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let status = loop {
        // The mark only rises, so the last look that finds it sees all but the last moments.
        let text = std::fs::read_to_string(&status_file).unwrap_or_default();
        let mark =
            text.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        peak = peak.max(mark.unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    (Run { code: status.code().unwrap(), out, err }, peak)
}

/// 10 GB under 256 MiB scaled down further: 400 MB of NPY and 100 MB of text under 24 MiB, the program itself, its stacks
/// and allocators included.
#[cfg(target_os = "linux")]
#[test]
fn resident_memory_stays_within_the_budget() {
    let place = Place::new();
    shops(&place);
    let rows = 25_000_000;
    write(&place, "source.npy", |out| {
        out.write_all(&npy(&[rows, 2], &[])).unwrap();
        let mut points = Points(1);
        for _ in 0..rows {
            let [x, y] = points.next();
            out.write_all(&x.to_le_bytes()).unwrap();
            out.write_all(&y.to_le_bytes()).unwrap();
        }
    });
    write(&place, "source.csv", |out| {
        let mut points = Points(2);
        for i in 0..5_000_000 {
            let [x, y] = points.next().map(|x| (x * 1e7) as u64);
            writeln!(out, "0.{x:07},0.{y:07},{}", i % 3).unwrap();
        }
    });
    let common =
        ["transport", "--columns", "1,2", "--memory", "24MiB", "--json", "--no-pictures", "--out", "out"];
    let run = |more: &[&str]| {
        let (run, peak) = peak(&place, &[&common, more].concat());
        assert_eq!(run.code, 0, "{run:?}");
        assert!(peak > 1000 && peak <= 24 << 10, "{peak} kB resident: {more:?}");
        run.json()
    };
    for source in [&["source.npy"][..], &["source.csv", "--source-weights", "3"]] {
        let more = ["--target", "shops.csv", "--tolerance", "0.02", "--lambda", "rel:0.1"];
        let json = run(&[&["--source"], source, &more].concat());
        assert_eq!(json["source_file"]["streamed"], true);
        assert_eq!(json["source_file"]["rows"], if source.len() == 1 { rows } else { 5_000_000 });
    }
    for target in ["source.npy", "source.csv"] {
        let json =
            run(&["--target", target, "--target-sample", "200", "--tolerance", "0.1", "--standardize"]);
        assert_eq!(json["target_sample"]["drawn"], 200);
        // The triangle with corners 0, e1, e2 has mean 1/3 and variance 1/18; the text is cut after seven digits.
        for k in 0..2 {
            let (mean, scale) = (&json["standardized"]["mean"][k], &json["standardized"]["scale"][k]);
            // Ten standard errors of the mean of 5 million.
            assert!((mean.as_f64().unwrap() - 1.0 / 3.0).abs() < 1e-3, "{mean}");
            assert!((scale.as_f64().unwrap() - 1.0 / 18f64.sqrt()).abs() < 1e-3, "{scale}");
        }
    }
}

/// Nets, rows of the Hessian, lists and the coarse system of many atoms, with little regularisation, under 64 MiB; and
/// only a small part of all pairs is looked at.
#[cfg(target_os = "linux")]
#[test]
fn many_atoms_stay_within_the_budget() {
    let place = Place::new();
    let mut points = Points(7);
    let rows: String = (0..20_000).map(|_| points.next()).map(|[x, y]| format!("{x},{y}\n")).collect();
    place.file("atoms.csv", rows);
    let (run, peak) = peak(
        &place,
        &[
            "transport",
            "--source",
            "uniform:2",
            "--target",
            "atoms.csv",
            "--lambda",
            "1e-4",
            "--tolerance",
            "0.1",
            "--memory",
            "64MiB",
            // Twenty thousand potentials would fill the pipe, which is read at the end.
            "--quiet",
            "--no-pictures",
            "--out",
            "out",
        ],
    );
    assert_eq!(run.code, 0, "{run:?}");
    assert!(peak > 1000 && peak <= 64 << 10, "{peak} kB resident");
    let json: serde_json::Value = serde_json::from_str(&place.read("out/result.json")).unwrap();
    let count = |name: &str| json[name].as_f64().unwrap();
    assert!(count("pairs") < 0.1 * count("all_pairs"), "{} of {}", count("pairs"), count("all_pairs"));
}

#[test]
fn loaded_or_not_the_answer_is_the_same_within_its_interval() {
    let place = Place::new();
    shops(&place);
    let mut points = Points(5);
    let mut text = String::from("x,note,y,mass\n");
    for i in 0..200_000 {
        let [x, y] = points.next();
        text.push_str(&format!("{x},\"a, {i}\",{y},{}\n", i % 4));
    }
    place.file("people.csv", text);
    let common = ["transport", "--source", "people.csv", "--source-weights", "mass", "--columns", "x,y"];
    // λ in units of the cost: relative to their spread it would depend on the pilot sample.
    let more = [
        "--target",
        "all.csv",
        "--standardize",
        "--lambda",
        "0.2",
        "--tolerance",
        "0.01",
        "--json",
        "--no-pictures",
    ];
    place.file("all.csv", format!("x,y\n{}", place.read("shops.csv")));
    let run = |memory: &str| {
        let run = place.run(&[&common[..], &more, &["--memory", memory]].concat());
        assert_eq!(run.code, 0, "{run:?}");
        run.json()
    };
    let (loaded, streamed) = (run("4GiB"), run("16MiB"));
    assert_eq!(loaded["source_file"], serde_json::json!({"rows": 200_000, "streamed": false}));
    assert_eq!(streamed["source_file"], serde_json::json!({"rows": 200_000, "streamed": true}));
    assert_eq!(loaded["standardized"], streamed["standardized"]);
    for (one, other) in [(&loaded, &streamed), (&streamed, &loaded)] {
        // Both intervals hold the truth with probability 95%, so they overlap: with this seed they do.
        assert!(one["interval"]["lower"].as_f64() <= other["interval"]["upper"].as_f64());
    }
    let again = run("16MiB");
    assert_eq!(again["potential"], streamed["potential"]);
    assert_eq!(again["interval"], streamed["interval"]);
}

#[test]
fn drawn_targets_say_so() {
    let place = Place::new();
    let text: String = (0..5000).map(|i| format!("{},{},{}\n", i, i % 17, 1 + i % 5)).collect();
    place.file("rows.csv", format!("x,y,size\n{text}"));
    let args = [
        "transport",
        "--target",
        "rows.csv",
        "--weights",
        "size",
        "--target-sample",
        "40",
        "--tolerance",
        "0.1",
    ];
    let run = place.run(&args);
    assert!(run.out.contains("40 of 5\u{202f}000 rows, sampled"), "{run:?}");
    let csv = place.read("fenchel-out/potentials.csv");
    assert!(csv.starts_with("index,row,x,y,weight,potential\n"), "{csv}");
    let rows: Vec<Vec<f64>> =
        csv.lines().skip(1).map(|l| l.split(',').map(|f| f.parse().unwrap()).collect()).collect();
    assert_eq!(rows.len(), 40);
    assert!(rows.iter().all(|r| r[1] == r[2] && r[1] % 17.0 == r[3]), "rows are those of the file");
    // All rows: the problem is the file's.
    let whole = ["transport", "--target", "shops.csv", "--tolerance", "0.05", "--json", "--no-pictures"];
    shops(&place);
    let (all, loaded) = (place.run(&[&whole[..], &["--target-sample", "99"]].concat()), place.run(&whole));
    let (all, loaded) = (all.json(), loaded.json());
    assert_eq!(all["target_sample"], serde_json::json!({"rows": 30, "drawn": 30}));
    assert_eq!((&all["potential"], &all["interval"]), (&loaded["potential"], &loaded["interval"]));
    assert!(loaded["target_sample"].is_null());
}

#[test]
fn what_does_not_fit_is_refused_with_what_it_needs() {
    let place = Place::new();
    place.file("large.csv", "0.25,0.5\n".repeat(600_000));
    place.file("large.npy", npy(&[500_000, 2], &vec![0.5; 1_000_000]));
    for target in ["large.csv", "large.npy"] {
        let parts = [target, "of memory, 24 MiB are allowed", "--target-sample", "--memory"];
        place.refused(&["transport", "--target", target, "--memory", "24MiB"], &parts);
    }
    place.refused(&["transport", "--target", "large.npy", "--memory", "24MiB"], &["about 61 MiB"]);
    let drawn = ["transport", "--target", "large.npy", "--memory", "24MiB", "--target-sample"];
    place.refused(&[&drawn[..], &["400000"]].concat(), &["--target-sample is 400000", "--memory at least"]);
    place.refused(&[&drawn[..], &["0"]].concat(), &["0", "at least 1"]);
    place.refused(&["transport", "--memory", "1MiB"], &["memory is 1 MiB", "at least 16 MiB"]);
    place.refused(&["transport", "--memory", "plenty"], &["'plenty'", "512MiB, 2GB"]);
    place.refused(&["transport", "--target-sample", "5"], &["--target"]);
}

/// A pipe is read to its end, if that is near; and only once.
#[cfg(unix)]
#[test]
fn pipes() {
    let place = Place::new();
    shops(&place);
    let pipe = place.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let with = |rows: usize, args: &[&str]| {
        let target = pipe.clone();
        // A writer waits for its reader, and ends when that has gone.
        let writer = std::thread::spawn(move || {
            let mut out = std::fs::OpenOptions::new().write(true).open(target).unwrap();
            let _ = out.write_all("a,1,2\nb,3,5\nc,2,2\n".repeat(rows).as_bytes());
        });
        let run = place.run(
            &[&["transport", "--no-pictures", "--memory", "16MiB", "--tolerance", "0.1"], args].concat(),
        );
        writer.join().unwrap();
        run
    };
    let run = with(1, &["--target", "pipe", "--columns", "2,3"]);
    assert_eq!(run.code, 0, "{run:?}");
    let run = with(200_000, &["--target", "pipe", "--columns", "2,3", "--out", "other"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.err.contains("is a pipe that holds more than 2 MiB"), "{run:?}");
    let args = ["transport", "--target", "pipe", "--target-sample", "3", "--out", "other"];
    place.run(&args).err.find("is a pipe, which can be read only once").expect("refused without reading");
}
