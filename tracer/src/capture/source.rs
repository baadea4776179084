//! Where a recording is read from: a file, a pipe, or stdin; as it was written, or packed by gzip.
//!
//! A recording is read twice: what stands at its end is needed from the first line of output on.
//! What comes through a pipe is therefore kept in a file without a name, which is gone with this
//! process.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::format::MAGIC;
use super::reader::{Error, Reader};

/// First bytes of what gzip writes.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Bytes that a packed recording may be unpacked to: a thousand bytes can be made of one, and
/// nobody would wait for the end.
const MOST_UNPACKED: u64 = 64 << 30;
/// Bytes read at once.
const AT_ONCE: usize = 256 << 10;

/// Why a recording cannot be read from there.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("failed to open {path}: {source}")]
    Open { path: String, source: io::Error },
    #[error("failed to keep what comes from {path} in {}: {source}", .folder.display())]
    Keep {
        path: String,
        folder: PathBuf,
        source: io::Error,
    },
    #[error("{path}: {source}")]
    Recording { path: String, source: Error },
}

impl SourceError {
    /// The way out, for the `hint:` line.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Open { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "it belongs to another user, root perhaps: run as root, or `chown` it".into()
            }
            Self::Open { .. } => "give a recording made with `mobytrace trace -o FILE`".into(),
            Self::Keep { .. } => {
                "name a folder with room for all of it by TMPDIR, or give a file".into()
            }
            Self::Recording { source, .. } => source.hint(),
        }
    }
}

/// A recording that can be read any number of times.
#[derive(Debug)]
pub struct Source {
    file: File,
    /// Of the file when it was opened: what is added later is of no reading.
    len: u64,
    packed: bool,
    shown: String,
}

/// The recording as it was written, whatever it was kept as.
pub type Unpacked<'s> = Box<dyn Read + 's>;

impl Source {
    /// Opens a recording. `-` is stdin.
    ///
    /// # Errors
    /// It cannot be opened, or what comes through a pipe cannot be kept.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let stdin = path.as_os_str() == "-";
        let shown = if stdin {
            "standard input".to_owned()
        } else {
            path.display().to_string()
        };
        let opened = if stdin {
            use std::os::fd::AsFd;
            io::stdin().as_fd().try_clone_to_owned().map(File::from)
        } else {
            File::open(path)
        };
        let found = opened.and_then(|file| match file.metadata()? {
            metadata if metadata.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            metadata => Ok((metadata, file)),
        });
        let (metadata, file) = found.map_err(|source| SourceError::Open {
            path: shown.clone(),
            source,
        })?;
        let file = match metadata.is_file() {
            true => file,
            false => kept(file).map_err(|source| SourceError::Keep {
                path: shown.clone(),
                folder: std::env::temp_dir(),
                source,
            })?,
        };
        let measured = file.metadata().map(|metadata| metadata.len());
        let mut first = [0u8; GZIP.len()];
        let looked = measured.and_then(|len| Ok((len, file.read_at(&mut first, 0)?)));
        match looked {
            Ok((len, got)) => Ok(Self {
                file,
                len,
                packed: got == first.len() && first == GZIP,
                shown,
            }),
            Err(source) => Err(SourceError::Open {
                path: shown,
                source,
            }),
        }
    }

    /// How it is named in messages.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Bytes of the file.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.len
    }

    /// Begins to read it. `passed` is given how many bytes of the file were read with each piece.
    ///
    /// # Errors
    /// It is no recording that can be used.
    pub fn read<'s>(
        &'s self,
        passed: impl Fn(u64) + 's,
    ) -> Result<Reader<Unpacked<'s>>, SourceError> {
        let plain = BufReader::with_capacity(
            AT_ONCE,
            FromStart {
                file: &self.file,
                at: 0,
                end: self.len,
                passed,
            },
        );
        let input: Unpacked<'s> = if self.packed {
            Box::new(BufReader::with_capacity(
                AT_ONCE,
                AtMost {
                    input: MultiGzDecoder::new(plain),
                    left: MOST_UNPACKED,
                },
            ))
        } else {
            Box::new(plain)
        };
        Reader::begin(input).map_err(|error| self.failed(error))
    }

    /// An error of reading it, with its name.
    #[must_use]
    pub fn failed(&self, source: Error) -> SourceError {
        let path = self.shown.clone();
        SourceError::Recording { path, source }
    }
}

/// Everything that comes through a pipe, in a file of our own. What is no recording is noticed
/// at its beginning.
fn kept(mut pipe: File) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    let mut first = Vec::new();
    pipe.by_ref()
        .take(MAGIC.len() as u64)
        .read_to_end(&mut first)?;
    io::Write::write_all(&mut file, &first)?;
    if first.starts_with(MAGIC) || first.starts_with(&GZIP) {
        io::copy(&mut pipe, &mut file)?;
    }
    Ok(file)
}

/// Reads a file from its beginning to where it ended, wherever others read it.
struct FromStart<'s, F> {
    file: &'s File,
    at: u64,
    end: u64,
    passed: F,
}

impl<F: Fn(u64)> Read for FromStart<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        let got = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += got as u64;
        (self.passed)(got as u64);
        Ok(got)
    }
}

/// Reads so many bytes, and fails where more would come.
struct AtMost<R> {
    input: R,
    left: u64,
}

impl<R: Read> Read for AtMost<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.input.read(buffer)?;
        match self.left.checked_sub(got as u64) {
            Some(left) => self.left = left,
            None => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("it is longer than {} GiB", MOST_UNPACKED >> 30),
                ));
            }
        }
        Ok(got)
    }
}
