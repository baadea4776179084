//! The recording that a command is given: a file, or what comes from a pipe.

use std::fs::File;
use std::io::{BufReader, Seek};
use std::path::Path;

use anyhow::Result;

use super::failure::Failure;
use crate::capture::{Ending, Header, Reader};
use crate::correlate::{Summary, Trace};
use crate::decode::Redact;
use crate::session::{Context, replay_in_batches};

/// How standard input is called on the command line.
const STDIN: &str = "-";

/// A recording that can be read any number of times, and what its end says.
pub struct Source {
    file: File,
    /// How it is called in messages.
    pub shown: String,
    pub header: Header,
    pub ending: Ending,
}

impl Source {
    /// Opens a recording and looks for its end. What cannot be read twice (standard input, a pipe)
    /// is kept in a file without a name, which is gone with this process.
    pub fn open(path: &Path) -> Result<Self> {
        let (mut file, shown) = if path == Path::new(STDIN) {
            (
                spooled(&mut std::io::stdin().lock())?,
                "standard input".to_owned(),
            )
        } else {
            let shown = path.display().to_string();
            let mut file = File::open(path).map_err(|e| unopened(&shown, &e))?;
            // a pipe has no position
            let file = match file.stream_position() {
                Ok(_) => file,
                Err(_) => spooled(&mut file)?,
            };
            (file, shown)
        };
        let reader = begin(&mut file, &shown)?;
        let header = reader.header().clone();
        let ending = reader.finish().map_err(|e| unread(&shown, &e.into()))?;
        Ok(Self {
            file,
            shown,
            header,
            ending,
        })
    }

    /// Reads it from its beginning.
    pub fn reader(&self) -> Result<Reader<BufReader<File>>> {
        let mut file = self.file.try_clone()?;
        begin(&mut file, &self.shown)
    }

    /// What is known of it.
    pub fn context(&self) -> Context {
        Context::ending(&self.header, &self.ending)
    }

    /// Gives everything that is whole in it, in batches; gives the counts of all.
    pub fn batches(
        &self,
        redact: Redact,
        give: impl FnMut(Trace) -> Result<()>,
    ) -> Result<Summary> {
        replay_in_batches(self.reader()?, &self.ending, redact, give)
    }
}

fn begin(file: &mut File, shown: &str) -> Result<Reader<BufReader<File>>> {
    file.rewind().map_err(|e| unread(shown, &e.into()))?;
    let input = BufReader::new(file.try_clone()?);
    Ok(Reader::begin(input).map_err(|e| unread(shown, &e))?)
}

/// Everything that comes, in a file without a name.
fn spooled(input: &mut impl std::io::Read) -> Result<File> {
    let failed = |e: std::io::Error| {
        Failure::new(
            format!("failed to keep what comes from a pipe: {e}"),
            "free space in the directory for temporary files, or name another with TMPDIR",
        )
    };
    let mut file = tempfile::tempfile().map_err(failed)?;
    std::io::copy(input, &mut file).map_err(failed)?;
    Ok(file)
}

fn unopened(shown: &str, error: &std::io::Error) -> Failure {
    let hint = match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            "it belongs to another user, root perhaps: run as root, or `chown` it"
        }
        _ => "give a recording made with `mobytrace trace -o FILE`",
    };
    Failure::new(format!("failed to open {shown}: {error}"), hint)
}

fn unread(shown: &str, error: &crate::capture::Error) -> Failure {
    Failure::new(format!("{shown}: {error}"), error.hint())
}
