//! What moby's objects are called and known by.
//!
//! **A new docker release:** a new kind of object gets its noun; a parameter type that is no option
//! of the call goes to [`NO_OPTIONS`].

/// Words for what is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noun {
    pub one: &'static str,
    pub many: &'static str,
}

const fn noun(one: &'static str, many: &'static str) -> Noun {
    Noun { one, many }
}

/// By a part of the type's name, in small letters.
pub const NOUNS: &[(&str, Noun)] = &[
    ("container", noun("container", "containers")),
    ("image", noun("image", "images")),
    ("volume", noun("volume", "volumes")),
    ("network", noun("network", "networks")),
];
/// For everything else.
pub const OBJECT: Noun = noun("object", "objects");

/// Its identifier, and how that field of a network is called.
pub const ID: &str = "ID";
pub const ID_OF_NETWORK: &str = "Id";
/// The name, where there is one.
pub const NAME: &str = "Name";
/// Lists of names: of a container, of an image.
pub const NAMES: &str = "Names";
pub const REPO_TAGS: &str = "RepoTags";
pub const STATE: &str = "State";
/// An image or a reference of one that was removed: one of both is empty.
pub const DELETED: &str = "Deleted";
pub const UNTAGGED: &str = "Untagged";
/// Fields by which a user knows an object.
pub const IDENTITY: &[&str] = &[
    ID,
    ID_OF_NETWORK,
    NAMES,
    NAME,
    STATE,
    REPO_TAGS,
    DELETED,
    UNTAGGED,
];
/// How an identifier of an image begins; it is not shown.
pub const DIGEST: &str = "sha256:";
/// Digits of an identifier that are shown.
pub const ID_DIGITS: usize = 12;

/// How much of a parameter is of interest that is no option of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    Nothing,
    /// Which one it is: its fields `ID` and `Name`.
    Which,
}

/// Types of parameters that are no options of the call: the daemon itself and what it was
/// configured with; of a container only which it is.
pub const NO_OPTIONS: &[(&str, Interest)] = &[
    ("*daemon.Daemon", Interest::Nothing),
    ("*daemon.configStore", Interest::Nothing),
    ("*config.Config", Interest::Nothing),
    ("*container.Container", Interest::Which),
];
