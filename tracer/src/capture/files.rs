//! A recording in several files: FILE, FILE.1, FILE.2 and so on. Each is a recording that can be
//! read by itself.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use super::output::{FileId, Output, OutputError};
use super::{Header, Trailer, Writer};

/// How large a recording may become. The default is any size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one file, about: what is taken at once is not divided, and the end of the file is
    /// not counted.
    pub size: Option<u64>,
    /// Files that are kept: beyond, the oldest is removed.
    pub files: Option<NonZeroUsize>,
}

impl Limits {
    /// Whether the files of a recording at `path` would be mixed up with those of an earlier one.
    ///
    /// # Errors
    /// They would, and `force` does not give those up.
    pub fn check(self, path: &Path, force: bool) -> Result<(), OutputError> {
        match self.size {
            Some(_) if !force => no_further(path),
            _ => Ok(()),
        }
    }
}

/// What a recording went on in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turned {
    pub path: PathBuf,
    /// The oldest file, which is gone.
    pub removed: Option<PathBuf>,
}

/// An open recording.
#[derive(Debug)]
pub struct Files {
    writer: Writer,
    header: Header,
    path: PathBuf,
    force: bool,
    limits: Limits,
    /// Of the file that is written.
    number: u64,
    /// Those that were made, the oldest first.
    made: VecDeque<FileId>,
}

impl Files {
    /// Begins a recording in the first file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn begin(
        output: Output,
        header: &Header,
        limits: Limits,
        force: bool,
    ) -> Result<Self, OutputError> {
        let path = output.path().to_owned();
        let first = output.id()?;
        Ok(Self {
            writer: output.begin(header)?,
            header: header.clone(),
            path,
            force,
            limits,
            number: 0,
            made: VecDeque::from([first]),
        })
    }

    /// The file that is written.
    pub fn writer(&mut self) -> &mut Writer {
        &mut self.writer
    }

    /// Whether a further file is to begin: the limit is reached or, where nothing would be cut in
    /// two (`quiet`), nine tenths of it.
    #[must_use]
    pub fn is_due(&self, quiet: bool) -> bool {
        let size = self.writer.size();
        self.limits.size.is_some_and(|limit| {
            let enough = if quiet { limit - limit / 10 } else { limit };
            size >= enough
        })
    }

    /// Ends the file and begins the next one.
    ///
    /// # Errors
    /// One of them cannot be written.
    pub fn turn(&mut self, trailer: &Trailer) -> Result<Turned, OutputError> {
        self.writer
            .finish(trailer)
            .map_err(|source| OutputError::Io {
                path: numbered(&self.path, self.number).display().to_string(),
                source,
            })?;
        self.number += 1;
        let path = numbered(&self.path, self.number);
        let output = Output::open(&path, self.force)?;
        let id = output.id()?;
        self.writer = output.begin(&self.header)?;
        self.made.push_back(id);
        let removed = match self.limits.files {
            Some(most) if self.made.len() > most.get() => self.remove_oldest(),
            _ => None,
        };
        Ok(Turned { path, removed })
    }

    /// Removes the oldest file, if it is still the one that was made.
    fn remove_oldest(&mut self) -> Option<PathBuf> {
        let oldest = self.number - (self.made.len() as u64 - 1);
        let id = self.made.pop_front()?;
        let path = numbered(&self.path, oldest);
        let there = fs::symlink_metadata(&path).ok()?;
        (id.is_of(&there) && fs::remove_file(&path).is_ok()).then_some(path)
    }

    /// Begins a further segment, behind a trailer; further files begin with its header.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn segment(&mut self, header: &Header) -> io::Result<()> {
        self.header = header.clone();
        self.writer.segment(header)
    }

    /// Ends the recording, unless another segment follows.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(&mut self, trailer: &Trailer) -> io::Result<()> {
        self.writer.finish(trailer)
    }
}

/// The name of a file: the first has no number.
fn numbered(path: &Path, number: u64) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// Fails if there are further files of an earlier recording: those of two would be mixed up.
fn no_further(path: &Path) -> Result<(), OutputError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let entries =
        fs::read_dir(folder.unwrap_or(Path::new("."))).map_err(|source| OutputError::Io {
            path: path.display().to_string(),
            source,
        })?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_further = |other: &str| {
        let number = other.strip_prefix(&*name).and_then(|n| n.strip_prefix('.'));
        number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    for entry in entries.flatten() {
        if is_further(&entry.file_name().to_string_lossy()) {
            return Err(OutputError::Exists {
                path: entry.path().display().to_string(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{Counters, Recording};
    use crate::decode::{Found, Sample};

    const SIZE: u64 = 4096;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).expect("folder").flatten();
        let name = |e: fs::DirEntry| e.file_name().to_string_lossy().into_owned();
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }

    fn read(dir: &Path, name: &str) -> Recording {
        let file = fs::File::open(dir.join(name)).expect("opened");
        Recording::read(file).expect("recording")
    }

    /// Writes so many looks, a file after another.
    fn write(path: &Path, looks: u64, limits: Limits, force: bool) -> Result<(), OutputError> {
        limits.check(path, force)?;
        let output = Output::open(path, force)?;
        let mut files = Files::begin(output, &Header::default(), limits, force)?;
        for at in 0..looks {
            let sample = Sample {
                at,
                goid: 1,
                found: Found::Gone,
            };
            files.writer().sample(&sample).expect("written");
            if files.is_due(false) {
                files.turn(&Trailer::default())?;
            }
        }
        files.finish(&Trailer::default()).expect("finished");
        Ok(())
    }

    #[test]
    fn each_file_can_be_read_and_nothing_is_missing_between_them() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("r");
        let limits = Limits {
            size: Some(SIZE),
            files: None,
        };
        write(&path, 500, limits, false).expect("written");
        let names = names(dir.path());
        assert!(names.len() > 3, "{names:?}");
        let mut all = Vec::new();
        for n in 0..names.len() as u64 {
            let name = numbered(Path::new("r"), n).display().to_string();
            let recording = read(dir.path(), &name);
            assert!(recording.is_whole() && recording.trailer().is_some());
            all.extend(recording.samples().iter().map(|(_, s)| s.at));
            let size = fs::metadata(dir.path().join(&name)).expect("there").len();
            assert!(size < SIZE + 512, "{size}");
        }
        assert!(all.into_iter().eq(0..500));

        // those of two sessions are not mixed up
        fs::remove_file(&path).expect("removed");
        let refused = write(&path, 1, limits, false).expect_err("further files are there");
        assert!(matches!(refused, OutputError::Exists { .. }), "{refused}");
        assert!(!path.exists());
        write(&path, 1, limits, true).expect("forced");
    }

    #[test]
    fn the_oldest_goes_first_and_nobody_elses() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("r");
        let limits = Limits {
            size: Some(SIZE),
            files: NonZeroUsize::new(2),
        };
        write(&path, 500, limits, false).expect("written");
        let left = names(dir.path());
        assert_eq!(left.len(), 2, "{left:?}");
        let last = read(dir.path(), &left[1]);
        assert_eq!(last.samples().last().map(|(_, s)| s.at), Some(499));

        let other = dir.path().join("o");
        let output = Output::open(&other, false).expect("opened");
        let mut files = Files::begin(output, &Header::default(), limits, false).expect("begun");
        fs::remove_file(&other).expect("removed");
        fs::write(&other, b"of somebody else").expect("written");
        let turn = |files: &mut Files| files.turn(&Trailer::default()).expect("turned").removed;
        assert_eq!(turn(&mut files), None);
        assert_eq!(turn(&mut files), None, "it is not ours any more");
        assert_eq!(turn(&mut files), Some(dir.path().join("o.1")));
        assert_eq!(fs::read(&other).expect("read"), b"of somebody else");
    }

    #[test]
    fn counters_are_those_of_the_file() {
        let of = |hits, drops| Counters {
            hits,
            drops,
            ..Counters::default()
        };
        let trailer = |counters| Trailer {
            counters,
            ..Trailer::default()
        };
        let now = trailer(vec![of(10, 3), of(5, 0)]);
        assert_eq!(now.clone().since(&Trailer::default()), now);
        let since = now.since(&trailer(vec![of(4, 3), of(5, 0)]));
        assert_eq!(since.counters, [of(6, 0), of(0, 0)]);
        assert_eq!(since.completeness().text, "complete: 6 hits, nothing lost");
    }
}
