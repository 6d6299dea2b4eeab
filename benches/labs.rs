//! The campaign of all labs on containers: green again and again, nothing left, and two such runs at once.
//!
//! `cargo bench --bench labs` runs `labrunner run labs/` 10 times, then two of them at once, and fails unless every lab of every
//! run is green and nothing of it is left (containers, networks, volumes, processes). `-- --runs N --pairs M` for other numbers.

mod campaign;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{ExitCode, Output};
use std::time::Instant;

use campaign::{Call, events, lab, left_behind, run_labs, spread};

fn main() -> ExitCode {
    let Some(call) = Call::read() else {
        return ExitCode::SUCCESS;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let mut seconds: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut good = true;
    for run in 1..=call.number("--runs", 10) {
        let started = Instant::now();
        let journal = format!("{run}.jsonl");
        let output = run_labs(&[lab("")], folder.path(), &journal)
            .output()
            .expect("labrunner starts");
        let took = started.elapsed().as_secs_f64();
        good &= tell(&format!("run {run}"), took, &output, true);
        for (lab, time) in times(&folder.path().join(journal)) {
            seconds.entry(lab).or_default().push(time);
        }
    }
    for pair in 1..=call.number("--pairs", 1) {
        let started = Instant::now();
        let children: Vec<_> = ["a", "b"]
            .map(|side| {
                run_labs(&[lab("")], folder.path(), &format!("{pair}{side}.jsonl"))
                    .stdout(std::process::Stdio::piped())
                    .stderr(std::process::Stdio::piped())
                    .spawn()
                    .expect("labrunner starts")
            })
            .into_iter()
            // Both are read at the same time, or one would stop at a full pipe.
            .map(|child| std::thread::spawn(move || child.wait_with_output()))
            .collect();
        let mut outputs = Vec::new();
        for child in children {
            outputs.push(child.join().expect("a reader").expect("an output"));
        }
        let took = started.elapsed().as_secs_f64();
        for (side, output) in outputs.iter().enumerate() {
            // What is left counts once, when both have ended.
            let name = format!("pair {pair}, side {}", side + 1);
            good &= tell(&name, took, output, side + 1 == outputs.len());
        }
    }
    println!("\nseconds: least, median, most");
    for (lab, times) in &seconds {
        if let Some((least, median, most)) = spread(times) {
            println!("  {lab:<28} {least:6.1} {median:6.1} {most:6.1}");
        }
    }
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Says how a run ended; whether it ended well, and, if asked, left nothing.
fn tell(name: &str, took: f64, output: &Output, look_for_rest: bool) -> bool {
    let left = if look_for_rest {
        left_behind()
    } else {
        Vec::new()
    };
    let rest = match (look_for_rest, left.is_empty()) {
        (false, _) => "",
        (true, true) => ", nothing left",
        (true, false) => ", LEFT BEHIND",
    };
    let code = output.status.code().unwrap_or(-1);
    println!("{name}: exit {code} after {took:.1} s{rest}");
    let good = output.status.success() && left.is_empty();
    if !good {
        println!(
            "{}{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
            left.join("\n")
        );
    }
    good
}

/// How long each lab took, in seconds, by its file's name.
fn times(journal: &Path) -> Vec<(String, f64)> {
    events(journal)
        .iter()
        .filter(|event| event["event"] == "lab_finished")
        .filter_map(|event| {
            let file = Path::new(event["file"].as_str()?);
            let name = file.file_stem()?.to_string_lossy().into_owned();
            Some((name, event["took_ms"].as_f64()? / 1000.0))
        })
        .collect()
}
