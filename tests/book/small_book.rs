//! A book of two chapters and one lab, to be spoilt.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use labrunner::lab::Source;
use labrunner::lab::fingerprint::fingerprint;
use tempfile::TempDir;

pub const LAB: &str = r#"title: Where a key lives
objective: See that every key belongs to a slot.
minutes: 5
given:
  masters: {redis-1: 0-5460, redis-2: 5461-10922, redis-3: 10923-16383}
  replicas: {redis-4: redis-1}
steps:
  - id: find-the-slot
    title: Find the slot of a key
    note: The text says 12183.
    hint: Ask *any* node.
    run: redis-cli -p 7001 CLUSTER KEYSLOT foo
    expect:
      - stdout: {equals: "12182"}
  - id: stop
    title: Stop a replica
    run: docker stop redis-4
    expect:
      - node: {name: redis-4, running: false}
        why: It was told to.
points:
  - text: A key's slot follows from the key alone.
    proved_by: [find-the-slot]
  - text: A replica can stop.
    proved_by: [stop]
"#;

const CHAPTER: &str = "# The lab\n\n{{#lab keys}}\n";

const PROSE: &str = r#"# Prose

The slot took {{#figure keys find-the-slot.took}} to find, and the lab {{#figure keys took = 2.5 s}}.
See [the step](lab.md#find-the-slot) and {{#point keys 1}}

```sh
redis-cli -p 7001 CLUSTER KEYSLOT foo
labrunner run --verbose labs/keys.yaml
```

{{#recorded keys find-the-slot}}
"#;

const RECORDING: &str = r#"{
  "lab": "keys",
  "fingerprint": "FINGERPRINT",
  "steps": [
    {"id": "find-the-slot", "runs": [{"typed": "redis-cli -p 7001 CLUSTER KEYSLOT foo", "exit": 0, "output": ["(integer) 12182"]}]},
    {"id": "stop", "runs": [{"typed": "docker stop redis-4", "exit": 0, "output": ["redis-4"]}]}
  ],
  "verified": {"date": "DATE", "labrunner": "0.1.0", "backend": "docker", "with": "an engine", "server": "redis 7.0.15"},
  "figures": {"took_ms": 2500, "given_ms": 2000, "cleanup_ms": 100, "checks": 4,
    "steps": [{"step": "find-the-slot", "took_ms": 120}, {"step": "stop", "took_ms": 80,
      "timeline": {"node": "redis-1", "to": "redis-4", "moments": [["suspected", 1200.0], ["promoted", 2400.0]]}}]}
}
"#;

/// The book, in a folder of its own.
pub struct SmallBook {
    folder: TempDir,
}

impl SmallBook {
    pub fn new() -> SmallBook {
        let book = SmallBook {
            folder: tempfile::tempdir().unwrap(),
        };
        let source = Source::new("keys.yaml", LAB);
        let recording = RECORDING
            .replace("FINGERPRINT", &fingerprint(&source).unwrap())
            .replace("DATE", &today());
        book.write("labs/keys.yaml", LAB);
        book.write("fixtures/recordings/keys.json", &recording);
        book.write("book/book.toml", "[book]\ntitle = \"Small\"\n\n[preprocessor.labrunner]\ncommand = \"labrunner book\"\n\n[output.html]\n");
        book.write(
            "book/src/SUMMARY.md",
            "# Summary\n\n- [Lab](lab.md)\n- [Prose](prose.md)\n",
        );
        book.write("book/src/lab.md", CHAPTER);
        book.write("book/src/prose.md", PROSE);
        book
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub fn write(&self, file: &str, text: &str) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Changes a part of a file that is there.
    pub fn change(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(file)).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        self.write(file, &text.replacen(from, to, 1));
    }

    pub fn remove(&self, file: &str) {
        fs::remove_file(self.path(file)).unwrap();
    }

    pub fn labrunner(&self, words: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_labrunner"))
            .current_dir(self.folder.path())
            .args(words)
            .output()
            .unwrap()
    }

    /// A page as it is built.
    pub fn page(&self, name: &str) -> String {
        let built = self.labrunner(&["book", "build"]);
        assert!(built.status.success(), "{}", errors(&built));
        fs::read_to_string(self.path("book/book").join(name)).unwrap()
    }
}

pub fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Today as a recording has it, in the words of the system's own clock.
fn today() -> String {
    let output = Command::new("date").args(["-u", "+%Y-%m-%d"]).output();
    String::from_utf8(output.unwrap().stdout)
        .unwrap()
        .trim()
        .to_owned()
}

pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
