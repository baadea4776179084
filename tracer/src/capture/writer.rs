//! Writes a recording as it happens.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::format::{HEADER, Header, MAGIC, RECORD, SAMPLE, TRAILER, Trailer, VERSION};
use crate::decode::Sample;

/// A file that a recording may go to: opened, and as it was. Dropped without a recording, a file that was not there before
/// is gone again.
#[derive(Debug)]
pub struct Output {
    file: File,
    /// The file is ours alone.
    created: Option<PathBuf>,
}

impl Output {
    /// Opens the file for writing; a new one is readable by its owner only.
    ///
    /// # Errors
    /// It cannot be created or written.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut options = File::options();
        options.write(true).mode(0o600);
        match options.clone().create_new(true).open(path) {
            Ok(file) => Ok(Self {
                file,
                created: Some(path.to_owned()),
            }),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(Self {
                file: options.open(path)?,
                created: None,
            }),
            Err(e) => Err(e),
        }
    }

    /// Begins the recording: what the file held is gone.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn begin(mut self, header: &Header) -> io::Result<Writer> {
        // pipes and devices have no length
        if self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        let mut writer = Writer {
            out: BufWriter::new(self.file.try_clone()?),
        };
        writer.out.write_all(MAGIC)?;
        writer.out.write_all(&VERSION.to_le_bytes())?;
        writer.frame(HEADER, &serde_json::to_vec(header)?)?;
        writer.out.flush()?;
        self.created = None;
        Ok(writer)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(path) = self.created.take() {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// An open recording. Records go through a buffer; the trailer ends it.
#[derive(Debug)]
pub struct Writer {
    out: BufWriter<File>,
}

impl Writer {
    fn frame(&mut self, kind: u32, payload: &[u8]) -> io::Result<()> {
        let len = u32::try_from(payload.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.out.write_all(&kind.to_le_bytes())?;
        self.out.write_all(&len.to_le_bytes())?;
        self.out.write_all(payload)
    }

    /// Adds a masked record.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn record(&mut self, stored: &[u8]) -> io::Result<()> {
        self.frame(RECORD, stored)
    }

    /// Adds a look at a goroutine.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn sample(&mut self, sample: &Sample) -> io::Result<()> {
        self.frame(SAMPLE, &serde_json::to_vec(sample)?)
    }

    /// Writes the trailer.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self, trailer: &Trailer) -> io::Result<()> {
        self.frame(TRAILER, &serde_json::to_vec(trailer)?)?;
        self.out.flush()
    }
}
