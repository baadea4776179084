//! Names of functions, taken apart: package, receiver, function, type arguments, closures.
//!
//! The linker's names are text with a grammar of its own (cmd/compile/internal/ir/func.go and
//! cmd/internal/objabi/path.go, Go 1.15 to 1.27). This is the only place that knows it. Nothing is
//! allocated, and any text may be given: what is not such a name has no parts.

use std::borrow::Cow;

/// The type that a method belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receiver<'a> {
    /// Without package and type arguments: `Group`.
    pub name: &'a str,
    /// `(*T)`
    pub by_pointer: bool,
    /// What stands in its brackets: `go.shape.struct {},int`, or `...`.
    pub arguments: Option<&'a str>,
}

/// The function in whose text some code stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<'a> {
    /// The code's name up to it: `a/b.(*T).A.(*T).B`.
    pub name: &'a str,
    /// Its last part: `B`.
    pub function: &'a str,
}

/// A function's name in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// As the linker has it.
    pub name: &'a str,
    /// Import path as it is written, dots of its last element escaped: `gopkg.in/yaml%2ev3`.
    pub package: &'a str,
    pub receiver: Option<Receiver<'a>>,
    /// Function or method: `Containers`, `init.0`, `glob.`.
    pub function: &'a str,
    /// Type arguments of a generic function (a method has those of its receiver).
    pub arguments: Option<&'a str>,
    /// What follows: nothing, `-fm`, `.func1.2`, `.gowrap3`, `.(*Daemon).Containers.func1`.
    pub inner: &'a str,
}

impl<'a> Symbol<'a> {
    /// Takes a name apart. `None`: it has no package, or was made by the compiler for a type
    /// (`type:.eq.…`, methods that an anonymous struct has from its fields).
    #[must_use]
    pub fn parse(name: &'a str) -> Option<Self> {
        if is_of_type(name) {
            return None;
        }
        // a path in brackets belongs to a type argument, one behind a receiver to its method
        let plain = ["[", "(*"].iter().filter_map(|end| name.find(end)).min();
        let plain = plain.unwrap_or(name.len());
        let slash = name.get(..plain)?.rfind('/').map_or(0, |at| at + 1);
        let dot = slash + name.get(slash..)?.find('.')?;
        let (package, rest) = (name.get(..dot)?, name.get(dot + 1..)?);
        let (receiver, rest) = match rest.strip_prefix("(*") {
            Some(rest) => {
                let (of, arguments, rest) = word(rest)?;
                let receiver = Receiver {
                    name: of,
                    by_pointer: true,
                    arguments,
                };
                (Some(receiver), rest.strip_prefix(").")?)
            }
            None => value_receiver(rest),
        };
        let (function, arguments, inner) = word(rest)?;
        // `init.0`, `glob..func1`: the number and the second dot belong to the name
        let more = match function {
            "init" if receiver.is_none() => match inner.strip_prefix('.').map_or(0, digits) {
                0 => 0,
                number => 1 + number,
            },
            "glob" if inner.starts_with("..") => 1,
            _ => 0,
        };
        let (function, inner) = match more {
            0 => (function, inner),
            more => rest.split_at_checked(function.len() + more)?,
        };
        // an unexported method that another package's embedded type brings:
        // `(*Config).sync.lockSlow`
        let (function, inner) = match (receiver, rest.rsplit_once('.')) {
            (Some(_), Some((_, last))) if is_qualified(inner, last) => (last, ""),
            _ => (function, inner),
        };
        let follows = inner.is_empty() || inner.starts_with(['.', '-']);
        (!function.is_empty() && follows).then_some(Self {
            name,
            package,
            receiver,
            function,
            arguments,
            inner,
        })
    }

    /// Code of a function literal, of a method value (`-fm`), or made for a `go` or `defer`
    /// statement: it finds what it captured through its context register.
    #[must_use]
    pub fn is_closure(&self) -> bool {
        !self.inner.is_empty()
    }

    /// The import path as descriptors of types have it: dots restored, vendoring kept.
    #[must_use]
    pub fn path(&self) -> Cow<'a, str> {
        unescape(self.package)
    }

    /// The receiver of a method, of the method itself and not of a closure in it.
    #[must_use]
    pub fn method_of(&self) -> Option<Receiver<'a>> {
        self.receiver.filter(|_| !self.is_closure())
    }

    /// The import path as it is written in Go: without what vendoring put before it, dots restored.
    #[must_use]
    pub fn import_path(&self) -> Cow<'a, str> {
        unescape(unvendored(self.package))
    }

    /// The function in whose text this code stands: closures count as the function around them,
    /// also where that was inlined (`A.(*T).B.func1` is B's).
    #[must_use]
    pub fn source(&self) -> Source<'a> {
        let (mut rest, mut behind) = (self.inner, self.inner);
        let mut function = self.function;
        while let Some(after) = rest.strip_prefix('.') {
            let after = match after.strip_prefix("(*") {
                Some(receiver) => word(receiver).and_then(|(_, _, rest)| rest.strip_prefix(").")),
                None => Some(after),
            };
            let Some((name, _, next)) = after.and_then(word) else {
                break;
            };
            if is_made(name) {
                // a loop over a function has a body of its own: `func1-range2`
                rest = next.find('.').and_then(|at| next.get(at..)).unwrap_or("");
            } else {
                (rest, behind, function) = (next, next, name);
            }
        }
        let end = self.name.len().saturating_sub(behind.len());
        Source {
            name: self.name.get(..end).unwrap_or(self.name),
            function,
        }
    }

    /// As people name it: `Containers`, `ServeHTTP`, `SystemDiskUsage.func1`.
    #[must_use]
    pub fn short(&self) -> &'a str {
        let own = self.inner.len() + self.function.len() + self.brackets();
        let at = self.name.len().saturating_sub(own);
        self.name.get(at..).unwrap_or(self.name)
    }

    /// Bytes that the function's own type arguments take up.
    fn brackets(&self) -> usize {
        self.arguments.map_or(0, |text| text.len() + 2)
    }
}

/// Last elements of a name as people use them: see [`Symbol::short`]; of what the compiler made for
/// a type, the method; what is no such name stays.
#[must_use]
pub fn short_name(name: &str) -> &str {
    Symbol::parse(name).map_or_else(
        || name.rsplit(['/', '.']).next().unwrap_or(name),
        |symbol| symbol.short(),
    )
}

/// Made by the compiler for a type: equality and hash functions, methods that an anonymous struct
/// has from its fields (`go.(*struct {…}).M`, from Go 1.20 on with a colon).
#[must_use]
pub fn is_of_type(name: &str) -> bool {
    const STARTS: &[&str] = &["type..", "type:", "go:", "go.(*struct ", "go.struct "];
    STARTS.iter().any(|start| name.starts_with(start))
}

/// `a.(*Box[go.shape.int]).Put` → `a.(*Box).Put`, or with something else in place of type
/// arguments; of names of types too.
#[must_use]
pub fn with_type_arguments(name: &str, instead: &str) -> String {
    let mut depth = 0u32;
    let mut out = String::new();
    for c in name.chars() {
        match c {
            '[' => {
                if depth == 0 {
                    out.push_str(instead);
                }
                depth += 1;
            }
            ']' => depth = depth.saturating_sub(1),
            _ if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

/// Type arguments in the first brackets of a name, of a type's too, which no other brackets stand
/// before.
#[must_use]
pub fn type_arguments(name: &str) -> Option<Vec<&str>> {
    let (_, arguments, _) = word(name.get(name.find('[')?..)?)?;
    arguments.map(split_arguments)
}

/// Type arguments one by one: `[]a.T,map[string]int` → `[]a.T`, `map[string]int`.
#[must_use]
fn split_arguments(text: &str) -> Vec<&str> {
    let (mut depth, mut from, mut found) = (0i32, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '[' | '(' | '{' => depth += 1,
            ']' | ')' | '}' => depth -= 1,
            ',' if depth == 0 => {
                found.extend(text.get(from..at));
                from = at + 1;
            }
            _ => {}
        }
    }
    found.extend(text.get(from..));
    found
}

/// Without what stands up to the last `/vendor/`.
#[must_use]
pub fn unvendored(path: &str) -> &str {
    path.rsplit_once("/vendor/").map_or(path, |(_, rest)| rest)
}

/// Import paths as they are written in Go: `gopkg.in/yaml%2ev2` → `gopkg.in/yaml.v2`
/// (cmd/internal/objabi/path.go, `PathToPrefix`).
#[must_use]
pub fn unescape(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let byte = after
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok())
            .filter(u8::is_ascii);
        match byte {
            Some(byte) => {
                out.push(char::from(byte));
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push('%');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// A method of a type that is no pointer, `T.M`, as far as that can be told: what the compiler
/// makes (`F.func1`) and what stands in the text of another function is none.
fn value_receiver(rest: &str) -> (Option<Receiver<'_>>, &str) {
    let Some((name, arguments, after)) = word(rest) else {
        return (None, rest);
    };
    let Some(method) = after.strip_prefix('.') else {
        return (None, rest);
    };
    let own = word(method).is_some_and(|(next, _, _)| !next.is_empty() && !is_made(next));
    if !own || name == "init" || name == "glob" {
        return (None, rest);
    }
    let receiver = Receiver {
        name,
        by_pointer: false,
        arguments,
    };
    (Some(receiver), method)
}

/// Whether what follows a receiver's first word is the rest of a package and a method's name.
fn is_qualified(inner: &str, last: &str) -> bool {
    let identifier = |text: &str| text.chars().all(|c| c.is_alphanumeric() || c == '_');
    !last.is_empty()
        && identifier(last)
        && !inner.contains("(*")
        && !inner
            .split('.')
            .any(|part| is_made(part.split('-').next().unwrap_or(part)))
}

/// An identifier, what stands in brackets behind it, and the rest.
fn word(text: &str) -> Option<(&str, Option<&str>, &str)> {
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    let (name, mut rest) = text.split_at(end);
    // types of one name within a function are numbered: `writerOnly·1`
    if let Some(number) = rest.strip_prefix('·') {
        rest = number.get(digits(number)..)?;
    }
    let Some(inside) = rest.strip_prefix('[') else {
        return Some((name, None, rest));
    };
    let mut depth = 1u32;
    for (at, c) in inside.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((name, inside.get(..at), inside.get(at + 1..)?));
        }
    }
    None
}

/// What the compiler calls function literals and wrappers: `func1`, `gowrap2`, `deferwrap1`, and
/// literals within literals by their number.
fn is_made(word: &str) -> bool {
    ["func", "gowrap", "deferwrap", ""].iter().any(|prefix| {
        word.strip_prefix(prefix)
            .is_some_and(|number| !number.is_empty() && digits(number) == number.len())
    })
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_parts() {
        // name, package, receiver, function, inner, source, short
        type Case = (
            &'static str,
            &'static str,
            Option<(&'static str, bool)>,
            &'static str,
            &'static str,
            &'static str,
            &'static str,
        );
        const DAEMON: &str = "github.com/docker/docker/daemon";
        #[rustfmt::skip]
        let cases: &[Case] = &[
            ("github.com/docker/docker/daemon.(*Daemon).Containers",
                DAEMON, Some(("Daemon", true)), "Containers", "", "Containers", "Containers"),
            ("github.com/docker/docker/daemon.(*Daemon).Containers-fm",
                DAEMON, Some(("Daemon", true)), "Containers", "-fm", "Containers", "Containers-fm"),
            ("github.com/docker/docker/daemon.(*Daemon).containerDiskUsage.func1.2",
                DAEMON, Some(("Daemon", true)), "containerDiskUsage", ".func1.2",
                "containerDiskUsage", "containerDiskUsage.func1.2"),
            ("github.com/docker/docker/daemon.(*Daemon).SystemDiskUsage.gowrap3",
                DAEMON, Some(("Daemon", true)), "SystemDiskUsage", ".gowrap3",
                "SystemDiskUsage", "SystemDiskUsage.gowrap3"),
            ("github.com/docker/docker/daemon.(*Daemon).SystemDiskUsage.func1-range2",
                DAEMON, Some(("Daemon", true)), "SystemDiskUsage", ".func1-range2",
                "SystemDiskUsage", "SystemDiskUsage.func1-range2"),
            ("github.com/docker/docker/daemon.(*Daemon).SystemDiskUsage.(*Daemon).containerDiskUsage.func2",
                DAEMON, Some(("Daemon", true)), "SystemDiskUsage",
                ".(*Daemon).containerDiskUsage.func2", "containerDiskUsage",
                "SystemDiskUsage.(*Daemon).containerDiskUsage.func2"),
            ("net/http.serverHandler.ServeHTTP",
                "net/http", Some(("serverHandler", false)), "ServeHTTP", "", "ServeHTTP", "ServeHTTP"),
            ("runtime.newproc1", "runtime", None, "newproc1", "", "newproc1", "newproc1"),
            ("main.main.func1", "main", None, "main", ".func1", "main", "main.func1"),
            ("main.init.0", "main", None, "init.0", "", "init.0", "init.0"),
            ("main.init.0.func1", "main", None, "init.0", ".func1", "init.0", "init.0.func1"),
            ("main.init", "main", None, "init", "", "init", "init"),
            ("main.init.func1", "main", None, "init", ".func1", "init", "init.func1"),
            ("main.glob..func1", "main", None, "glob.", ".func1", "glob.", "glob..func1"),
            ("gopkg.in/yaml%2ev3.(*Decoder).Decode",
                "gopkg.in/yaml%2ev3", Some(("Decoder", true)), "Decode", "", "Decode", "Decode"),
            ("resenje.org/singleflight.(*Group[go.shape.struct {},go.shape.[]*github.com/docker/docker/api/types.Container]).Do",
                "resenje.org/singleflight", Some(("Group", true)), "Do", "", "Do", "Do"),
            ("slices.SortFunc[...]", "slices", None, "SortFunc", "", "SortFunc", "SortFunc[...]"),
            ("slices.Sort[go.shape.[]a/b.T,go.shape.int].func1",
                "slices", None, "Sort", ".func1", "Sort",
                "Sort[go.shape.[]a/b.T,go.shape.int].func1"),
            ("a/b.T[...].M", "a/b", Some(("T", false)), "M", "", "M", "M"),
            ("github.com/docker/docker/daemon/config.(*CommonConfig).sync.lockSlow",
                "github.com/docker/docker/daemon/config", Some(("CommonConfig", true)),
                "lockSlow", "", "lockSlow", "lockSlow"),
            ("a/b.(*T).github.com/c/d.m",
                "a/b", Some(("T", true)), "m", "", "m", "m"),
            ("mime/multipart.(*writerOnly·1).Write",
                "mime/multipart", Some(("writerOnly", true)), "Write", "", "Write", "Write"),
            ("go.etcd.io/bbolt.(*DB).Batch",
                "go.etcd.io/bbolt", Some(("DB", true)), "Batch", "", "Batch", "Batch"),
            ("a/b.func1x", "a/b", None, "func1x", "", "func1x", "func1x"),
        ];
        for (name, package, receiver, function, inner, source, short) in cases {
            let symbol = Symbol::parse(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(symbol.package, *package, "{name}");
            let found = symbol.receiver.map(|r| (r.name, r.by_pointer));
            assert_eq!(found, *receiver, "{name}");
            assert_eq!(symbol.function, *function, "{name}");
            assert_eq!(symbol.inner, *inner, "{name}");
            assert_eq!(symbol.is_closure(), !inner.is_empty(), "{name}");
            assert_eq!(symbol.source().function, *source, "{name}");
            assert_eq!(short_name(name), *short, "{name}");
        }
    }

    #[test]
    fn what_is_no_function_of_a_package_has_no_parts() {
        for name in [
            "",
            "plain",
            "a/b",
            "a/b.",
            "a.(*T",
            "a.(*T)",
            "a.(*T[int).M",
            "a.F[",
            "type:.eq.a/b.T",
            "type..hash.[2]string",
            "go:struct { a/b.T }.M",
            "go.(*struct { a/b.T }).M",
            "a.(*T).M)",
        ] {
            assert_eq!(Symbol::parse(name), None, "{name}");
        }
        assert_eq!(short_name("plain"), "plain");
        assert_eq!(short_name("go:(*struct { a/b.T }).M"), "M");
    }

    #[test]
    fn arguments_of_generic_code() {
        let group = "a.(*Map[string,[2]int,struct { X, Y int }]).Get";
        let receiver = Symbol::parse(group).and_then(|s| s.receiver);
        let arguments = receiver.and_then(|r| r.arguments).expect("arguments");
        assert_eq!(
            split_arguments(arguments),
            ["string", "[2]int", "struct { X, Y int }"]
        );
        assert_eq!(type_arguments(group), Some(split_arguments(arguments)));
        assert_eq!(type_arguments("a.(*Box[...]).Put"), Some(vec!["..."]));
        assert_eq!(type_arguments("a.Plain"), None);
        assert_eq!(type_arguments("a.Broken[int"), None);
        assert_eq!(with_type_arguments(group, ""), "a.(*Map).Get");
        assert_eq!(with_type_arguments(group, "[…]"), "a.(*Map[…]).Get");
        let function = Symbol::parse("a.F[go.shape.int].func1").expect("a name");
        assert_eq!(function.arguments, Some("go.shape.int"));
    }

    #[test]
    fn import_paths_as_go_has_them() {
        let path = |name| Symbol::parse(name).expect("a name").import_path();
        assert_eq!(path("gopkg.in/yaml%2ev3.Unmarshal"), "gopkg.in/yaml.v3");
        assert_eq!(
            path("github.com/docker/docker/vendor/golang.org/x/sync/errgroup.(*Group).Go"),
            "golang.org/x/sync/errgroup"
        );
        assert_eq!(unescape("a%2eb%c3%2"), "a.b%c3%2");
    }
}
