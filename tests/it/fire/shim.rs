//! The test's side of `shim.c`, which stands between the program and the system: when to kill it, how its clock is
//! moved, and what was written down.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// Where things stand in the file that both sides share; `struct control` in `shim.c` has the same.
mod at {
    pub(super) const ARMED: u64 = 0;
    pub(super) const STEPS: u64 = 4;
    pub(super) const REACHED: u64 = 8;
    pub(super) const FIRED: u64 = 12;
    pub(super) const SHIFT_MS: u64 = 16;
    pub(super) const TRACING: u64 = 40;
    pub(super) const RECORDS: u64 = 48;
    pub(super) const LOG: u64 = 56;
    pub(super) const STEP: u64 = 568;
    pub(super) const FIRST_RECORD: u64 = 4_096;
}

const STEP_BYTES: usize = 64;
const RECORD_BYTES: u64 = 64;
const RECORDS_MAX: u64 = 200_000;

/// How the program ends at the chosen call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It is killed; what it wrote stands in the files.
    Kill = 1,
    /// It is killed, and what no sync has confirmed is lost as well.
    PowerCut = 2,
}

/// A call that has to be met before the end, or that is the end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'a> {
    /// Whatever comes next.
    Any,
    /// Bytes with this text were read from a socket.
    HasRead(&'a str),
    /// Bytes with this text are about to leave by a socket.
    Sends(&'a str),
    /// Bytes with this text were written to the database's log.
    HasLogged(&'a str),
    /// The log is about to be synced.
    Syncs,
    /// The log was synced.
    HasSynced,
}

/// One thing that was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// A thread begins to sync the log.
    SyncBegins(u32),
    /// A thread has synced the log.
    SyncEnds(u32),
    /// This word was written to the log.
    InLog(String),
    /// An answer with this status, and this message's id where there is one, leaves for a client.
    Answer(String),
}

/// The shim of one yard.
pub(super) struct Shim {
    path: PathBuf,
    control: File,
}

impl Shim {
    /// Makes the file that both sides share, in `folder`, for a program whose database is `database`.
    pub(super) fn new(folder: &Path, database: &Path) -> Self {
        let path = folder.join("fire-control");
        let mut options = File::options();
        let control = options.read(true).write(true).create_new(true).open(&path);
        let shim = Self {
            path,
            control: control.unwrap(),
        };
        shim.control
            .set_len(at::FIRST_RECORD + RECORDS_MAX * RECORD_BYTES)
            .unwrap();
        // As the system names it: links are followed, and it need not exist yet.
        let name = format!("{}-wal", database.file_name().unwrap().to_str().unwrap());
        let log = database
            .parent()
            .unwrap()
            .canonicalize()
            .unwrap()
            .join(name);
        shim.put(at::LOG, log.to_str().unwrap().as_bytes());
        shim
    }

    /// Loads it into a command.
    pub(super) fn load(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", library())
            .env("FIRE_CONTROL", &self.path);
    }

    /// Ends the program in that way when these calls have been met, one after the other.
    pub(super) fn arm(&self, end: End, steps: &[Step<'_>]) {
        self.disarm();
        for (number, step) in (0..).zip(steps) {
            self.put(at::STEP + number * STEP_BYTES as u64, &step.bytes());
        }
        self.put(
            at::STEPS,
            &u32::try_from(steps.len()).unwrap().to_ne_bytes(),
        );
        self.put(at::REACHED, &0_u32.to_ne_bytes());
        self.put(at::ARMED, &(end as u32).to_ne_bytes());
    }

    /// Lets it live.
    pub(super) fn disarm(&self) {
        self.put(at::ARMED, &0_u32.to_ne_bytes());
    }

    /// Tells how often it has ended the program.
    pub(super) fn fired(&self) -> u32 {
        u32::from_ne_bytes(self.get(at::FIRED))
    }

    /// Moves the program's clock forward.
    pub(super) fn pass(&self, time: Duration) {
        let shift = i64::from_ne_bytes(self.get(at::SHIFT_MS));
        let shift = shift + i64::try_from(time.as_millis()).unwrap();
        self.put(at::SHIFT_MS, &shift.to_ne_bytes());
    }

    /// Begins to write down.
    pub(super) fn trace(&self) {
        self.put(at::TRACING, &1_u32.to_ne_bytes());
    }

    /// Gives what was written down, in order.
    pub(super) fn records(&self) -> Vec<Record> {
        let count = u64::from_ne_bytes(self.get(at::RECORDS));
        (0..count).map(|number| self.record(number)).collect()
    }

    fn record(&self, number: u64) -> Record {
        let bytes: [u8; 64] = self.get(at::FIRST_RECORD + number * RECORD_BYTES);
        let word = |from: usize| u32::from_ne_bytes(bytes[from..from + 4].try_into().unwrap());
        let text = bytes[8..].split(|byte| *byte == 0).next().unwrap();
        let text = || String::from_utf8(text.to_vec()).unwrap();
        match word(0) {
            1 => Record::SyncBegins(word(4)),
            2 => Record::SyncEnds(word(4)),
            3 => Record::InLog(text()),
            4 => Record::Answer(text()),
            kind => panic!("a record of the kind {kind}"),
        }
    }

    fn put(&self, at: u64, bytes: &[u8]) {
        self.control.write_all_at(bytes, at).unwrap();
    }

    fn get<const SIZE: usize>(&self, at: u64) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        self.control.read_exact_at(&mut bytes, at).unwrap();
        bytes
    }
}

impl Step<'_> {
    /// Gives what `struct step` in `shim.c` holds: the call, the file, before or after it, and the text.
    fn bytes(self) -> [u8; STEP_BYTES] {
        let (head, text): ([u32; 3], _) = match self {
            Self::Any => ([0, 0, 0], ""),
            Self::HasRead(text) => ([1, 1, 1], text),
            Self::Sends(text) => ([2, 1, 0], text),
            Self::HasLogged(text) => ([2, 2, 1], text),
            Self::Syncs => ([3, 2, 0], ""),
            Self::HasSynced => ([3, 2, 1], ""),
        };
        let mut bytes = [0; STEP_BYTES];
        for (number, value) in head.iter().enumerate() {
            bytes[4 * number..4 * number + 4].copy_from_slice(&value.to_ne_bytes());
        }
        bytes[12..12 + text.len()].copy_from_slice(text.as_bytes());
        bytes
    }
}

/// Compiles the shim, once in each run of the tests.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fire/shim.c");
        // Another run may have it loaded, so it is replaced and not written over.
        let fresh = folder.join(format!("fire-shim-{}.so", std::process::id()));
        let library = folder.join("fire-shim.so");
        let output = Command::new("cc")
            .args([
                "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o",
            ])
            .args([&fresh, &source])
            .output()
            .expect("there is a C compiler; tests/run installs one");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        std::fs::rename(&fresh, &library).unwrap();
        library
    })
}
