//! The file that a recording goes to: a new one, or one that the user gave up.
//!
//! Recordings are made by root, often into directories where others may write. No link is followed,
//! nothing but a plain file is written, and what is there is kept unless the user says otherwise.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use rustix::process::geteuid;

use super::Header;
use super::writer::Writer;

/// Why a file cannot be recorded to.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    #[error("{path} exists")]
    Exists { path: String },
    #[error("{path} is a symbolic link")]
    Link { path: String },
    #[error("{path} is {kind}, not a file")]
    NotAFile { path: String, kind: &'static str },
    #[error("{path} belongs to another user (uid {uid}), who could read the recording")]
    Foreign { path: String, uid: u32 },
    #[error("{path} has other names as well ({names} hard links)")]
    Shared { path: String, names: u64 },
    #[error("{path} is being recorded to by another mobytrace")]
    Locked { path: String },
    #[error("failed to write {path}: {source}")]
    Io { path: String, source: io::Error },
}

impl OutputError {
    /// The way out, for the `hint:` line.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Exists { .. } => "give another name with -o, or --force to overwrite it".into(),
            Self::Link { .. } => "give the path that it leads to".into(),
            Self::NotAFile { .. } => {
                "give the path of a file; for pipes there is --format jsonl on stdout".into()
            }
            Self::Foreign { .. } | Self::Shared { .. } => {
                "remove it first, or give another name with -o".into()
            }
            Self::Locked { .. } => "wait for its end, or give another name with -o".into(),
            Self::Io { .. } => "give a path in a directory you can write to".into(),
        }
    }
}

/// A file that a recording may go to: opened, locked, and as it was. Dropped without a recording, a
/// file that was not there before is gone again.
#[derive(Debug)]
pub struct Output {
    file: File,
    path: PathBuf,
    /// The file is ours alone.
    created: bool,
}

/// Which file it is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }

    pub(super) fn is_of(self, metadata: &Metadata) -> bool {
        self == Self::of(metadata)
    }
}

impl Output {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn id(&self) -> Result<FileId, OutputError> {
        let metadata = self.file.metadata().map_err(|source| OutputError::Io {
            path: self.path.display().to_string(),
            source,
        })?;
        Ok(FileId::of(&metadata))
    }

    /// Opens the file for writing. A new one can be read by its owner only, who is the user behind
    /// `sudo` if there is one. One that is there is taken if it is empty, or if `force` says so.
    ///
    /// # Errors
    /// It is there, is no plain file, is in use, or cannot be created or written.
    pub fn open(path: &Path, force: bool) -> Result<Self, OutputError> {
        let shown = path.display().to_string();
        let failed = |source| OutputError::Io {
            path: shown.clone(),
            source,
        };
        let mut options = File::options();
        // nonblocking: a pipe that takes the file's place does not hold us up
        options
            .write(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let (file, created) = match options.clone().create_new(true).open(path) {
            Ok(file) => (file, true),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                acceptable(path, &fs::symlink_metadata(path).map_err(failed)?, force)?;
                let file = options.open(path).map_err(failed)?;
                // what was opened, whatever had that name a moment ago
                acceptable(path, &file.metadata().map_err(failed)?, force)?;
                (file, false)
            }
            Err(e) => return Err(failed(e)),
        };
        let output = Self {
            file,
            path: path.to_owned(),
            created,
        };
        match flock(&output.file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(OutputError::Locked { path: shown }),
            // file systems without locks
            Err(rustix::io::Errno::NOTSUP | rustix::io::Errno::NOLCK) => {}
            Err(e) => return Err(failed(e.into())),
        }
        if let (true, Some((user, group))) = (created, user_behind_sudo()) {
            fchown(&output.file, Some(user), Some(group)).map_err(failed)?;
        }
        Ok(output)
    }

    /// Begins the recording: what the file held is gone.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn begin(mut self, header: &Header) -> Result<Writer, OutputError> {
        let writer = self.write(header)?;
        self.created = false;
        Ok(writer)
    }

    fn write(&self, header: &Header) -> Result<Writer, OutputError> {
        let begun = self.file.try_clone().and_then(|file| {
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
            file.set_len(0)?;
            Writer::begin(file, header)
        });
        begun.map_err(|source| OutputError::Io {
            path: self.path.display().to_string(),
            source,
        })
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.created {
            return;
        }
        let same = |there: &Metadata| self.id().is_ok_and(|own| own.is_of(there));
        if fs::symlink_metadata(&self.path).is_ok_and(|there| same(&there)) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A file that is made in one go. It is written beside the name that it is to have, and gets that
/// name when it is whole: whatever happens before, what had the name stays.
#[derive(Debug)]
pub struct Beside {
    output: Output,
    path: PathBuf,
    force: bool,
}

impl Beside {
    /// Opens a file for what is to be named `path`. What is there may be replaced as by
    /// [`Output::open`].
    ///
    /// # Errors
    /// It is there, is no plain file, or nothing can be created beside it.
    pub fn open(path: &Path, force: bool) -> Result<Self, OutputError> {
        replaceable(path, force)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let part = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
        Ok(Self {
            output: Output::open(&part, false)?,
            path: path.to_owned(),
            force,
        })
    }

    /// Begins the recording.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn begin(&self, header: &Header) -> Result<Writer, OutputError> {
        self.output.write(header)
    }

    /// It is whole: gives it its name.
    ///
    /// # Errors
    /// Something else has that name by now, or it cannot be given.
    pub fn finish(mut self) -> Result<(), OutputError> {
        let there = replaceable(&self.path, self.force)?;
        let flags = match there {
            true => RenameFlags::empty(),
            false => RenameFlags::NOREPLACE,
        };
        let named = renameat_with(CWD, &self.output.path, CWD, &self.path, flags);
        let named = match named {
            // file systems that cannot look and rename at once
            Err(rustix::io::Errno::INVAL) => fs::rename(&self.output.path, &self.path),
            named => named.map_err(io::Error::from),
        };
        named.map_err(|source| OutputError::Io {
            path: self.path.display().to_string(),
            source,
        })?;
        self.output.created = false;
        Ok(())
    }
}

/// Whether something has that name; what has it may be replaced.
fn replaceable(path: &Path, force: bool) -> Result<bool, OutputError> {
    match fs::symlink_metadata(path) {
        Ok(there) => acceptable(path, &there, force).map(|()| true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(OutputError::Io {
            path: path.display().to_string(),
            source,
        }),
    }
}

/// Whether what has the name may be written to.
fn acceptable(path: &Path, there: &Metadata, force: bool) -> Result<(), OutputError> {
    let path = path.display().to_string();
    let kind = there.file_type();
    let other = [
        (kind.is_dir(), "a directory"),
        (kind.is_fifo(), "a pipe"),
        (kind.is_socket(), "a socket"),
        (kind.is_char_device() || kind.is_block_device(), "a device"),
    ];
    if kind.is_symlink() {
        return Err(OutputError::Link { path });
    }
    if let Some((_, kind)) = other.into_iter().find(|(is, _)| *is) {
        return Err(OutputError::NotAFile { path, kind });
    }
    if there.len() > 0 && !force {
        return Err(OutputError::Exists { path });
    }
    let own = [Some(geteuid().as_raw()), user_behind_sudo().map(|u| u.0)];
    if !own.contains(&Some(there.uid())) {
        return Err(OutputError::Foreign {
            path,
            uid: there.uid(),
        });
    }
    if there.nlink() > 1 {
        return Err(OutputError::Shared {
            path,
            names: there.nlink(),
        });
    }
    Ok(())
}

/// User and group for whom `sudo` made us root.
fn user_behind_sudo() -> Option<(u32, u32)> {
    if !geteuid().is_root() {
        return None;
    }
    let number = |name: &str| std::env::var(name).ok()?.parse().ok();
    Some((number("SUDO_UID")?, number("SUDO_GID")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_in_one_go_has_its_name_when_it_is_whole() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("recording");
        let names = || fs::read_dir(dir.path()).expect("read").count();
        let header = Header::default();

        let beside = Beside::open(&path, false).expect("opened");
        drop(beside.begin(&header).expect("begun"));
        assert!(!path.exists());
        drop(beside);
        assert_eq!(names(), 0, "it was given up");

        let beside = Beside::open(&path, false).expect("opened");
        drop(beside.begin(&header).expect("begun"));
        beside.finish().expect("named");
        assert_eq!(names(), 1);
        let whole = fs::read(&path).expect("read");
        assert!(whole.starts_with(b"MOBYTRC\n"));

        let refused = Beside::open(&path, false).expect_err("it is there");
        assert!(matches!(refused, OutputError::Exists { .. }));
        drop(Beside::open(&path, true).expect("forced"));
        assert_eq!(fs::read(&path).expect("read"), whole, "it was given up");

        let other = dir.path().join("other");
        let beside = Beside::open(&other, false).expect("opened");
        fs::write(&other, b"came meanwhile").expect("written");
        assert!(beside.finish().is_err());
        assert_eq!(fs::read(&other).expect("read"), b"came meanwhile");
        assert_eq!(names(), 2);
    }

    fn refusal(path: &Path, force: bool) -> String {
        Output::open(path, force).expect_err("refused").to_string()
    }

    #[test]
    fn only_what_the_user_gave_up_is_written() {
        let dir = std::env::temp_dir().join(format!("mobytrace-output-{}", std::process::id()));
        fs::create_dir(&dir).expect("directory");
        let at = |name: &str| dir.join(name);

        let new = Output::open(&at("new"), false).expect("new");
        assert_eq!(fs::metadata(at("new")).expect("new").mode() & 0o777, 0o600);
        assert!(refusal(&at("new"), true).contains("another mobytrace"));
        drop(new);
        assert!(!at("new").exists(), "a session that never was");

        fs::write(at("full"), b"earlier").expect("full");
        assert!(refusal(&at("full"), false).contains("exists"));
        drop(Output::open(&at("full"), true).expect("forced"));
        assert_eq!(fs::read(at("full")).expect("full"), b"earlier");

        fs::write(at("empty"), b"").expect("empty");
        drop(Output::open(&at("empty"), false).expect("nothing is lost"));
        assert!(at("empty").exists(), "it was there before");

        std::os::unix::fs::symlink(at("full"), at("link")).expect("link");
        std::os::unix::fs::symlink(at("nowhere"), at("dangling")).expect("link");
        for name in ["link", "dangling"] {
            assert!(refusal(&at(name), true).contains("symbolic link"));
        }
        assert!(!at("nowhere").exists());
        fs::hard_link(at("full"), at("second")).expect("hard link");
        assert!(refusal(&at("second"), true).contains("other names"));
        let pipe = at("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).expect("pipe");
        assert!(refusal(&pipe, true).contains("a pipe"));
        assert!(refusal(Path::new("/dev/full"), true).contains("a device"));
        assert!(refusal(&dir, true).contains("a directory"));
        fs::remove_dir_all(&dir).expect("removed");
    }
}
