//! Error numbers of Linux (include/uapi/asm-generic/errno.h; the same on amd64 and arm64).

/// Names by number, from 1; empty: unused.
const NAMES: &[&str] = &[
    "EPERM",
    "ENOENT",
    "ESRCH",
    "EINTR",
    "EIO",
    "ENXIO",
    "E2BIG",
    "ENOEXEC",
    "EBADF",
    "ECHILD",
    "EAGAIN",
    "ENOMEM",
    "EACCES",
    "EFAULT",
    "ENOTBLK",
    "EBUSY",
    "EEXIST",
    "EXDEV",
    "ENODEV",
    "ENOTDIR",
    "EISDIR",
    "EINVAL",
    "ENFILE",
    "EMFILE",
    "ENOTTY",
    "ETXTBSY",
    "EFBIG",
    "ENOSPC",
    "ESPIPE",
    "EROFS",
    "EMLINK",
    "EPIPE",
    "EDOM",
    "ERANGE",
    "EDEADLK",
    "ENAMETOOLONG",
    "ENOLCK",
    "ENOSYS",
    "ENOTEMPTY",
    "ELOOP",
    "",
    "ENOMSG",
    "EIDRM",
    "ECHRNG",
    "EL2NSYNC",
    "EL3HLT",
    "EL3RST",
    "ELNRNG",
    "EUNATCH",
    "ENOCSI",
    "EL2HLT",
    "EBADE",
    "EBADR",
    "EXFULL",
    "ENOANO",
    "EBADRQC",
    "EBADSLT",
    "",
    "EBFONT",
    "ENOSTR",
    "ENODATA",
    "ETIME",
    "ENOSR",
    "ENONET",
    "ENOPKG",
    "EREMOTE",
    "ENOLINK",
    "EADV",
    "ESRMNT",
    "ECOMM",
    "EPROTO",
    "EMULTIHOP",
    "EDOTDOT",
    "EBADMSG",
    "EOVERFLOW",
    "ENOTUNIQ",
    "EBADFD",
    "EREMCHG",
    "ELIBACC",
    "ELIBBAD",
    "ELIBSCN",
    "ELIBMAX",
    "ELIBEXEC",
    "EILSEQ",
    "ERESTART",
    "ESTRPIPE",
    "EUSERS",
    "ENOTSOCK",
    "EDESTADDRREQ",
    "EMSGSIZE",
    "EPROTOTYPE",
    "ENOPROTOOPT",
    "EPROTONOSUPPORT",
    "ESOCKTNOSUPPORT",
    "EOPNOTSUPP",
    "EPFNOSUPPORT",
    "EAFNOSUPPORT",
    "EADDRINUSE",
    "EADDRNOTAVAIL",
    "ENETDOWN",
    "ENETUNREACH",
    "ENETRESET",
    "ECONNABORTED",
    "ECONNRESET",
    "ENOBUFS",
    "EISCONN",
    "ENOTCONN",
    "ESHUTDOWN",
    "ETOOMANYREFS",
    "ETIMEDOUT",
    "ECONNREFUSED",
    "EHOSTDOWN",
    "EHOSTUNREACH",
    "EALREADY",
    "EINPROGRESS",
    "ESTALE",
    "EUCLEAN",
    "ENOTNAM",
    "ENAVAIL",
    "EISNAM",
    "EREMOTEIO",
    "EDQUOT",
    "ENOMEDIUM",
    "EMEDIUMTYPE",
    "ECANCELED",
    "ENOKEY",
    "EKEYEXPIRED",
    "EKEYREVOKED",
    "EKEYREJECTED",
    "EOWNERDEAD",
    "ENOTRECOVERABLE",
    "ERFKILL",
    "EHWPOISON",
];

/// `ENOENT` of 2.
pub fn name(number: u64) -> Option<&'static str> {
    let index = usize::try_from(number.checked_sub(1)?).ok()?;
    NAMES.get(index).copied().filter(|name| !name.is_empty())
}

/// What `syscall.Errno.Error` says: the C library's text, of which Go's table has the first letter
/// in lower case (syscall/mkerrors.sh); `errno N` for numbers that are not in it. `None` for the
/// one whose text the library has changed, and Go with it at some release
/// (syscall/zerrors_linux_amd64.go: "stale NFS file handle" in go1.24, "stale file handle" in
/// go1.27).
pub fn text(number: u64) -> Option<String> {
    const RENAMED: u64 = 116;
    const LAST: u64 = 132;
    if number == RENAMED {
        return None;
    }
    if name(number).is_none() || number > LAST {
        return Some(format!("errno {number}"));
    }
    let code = i32::try_from(number).unwrap_or(i32::MAX);
    let shown = std::io::Error::from_raw_os_error(code).to_string();
    let text = match shown.rsplit_once(" (os error ") {
        Some((text, _)) => text,
        None => &shown,
    };
    let mut letters = text.chars();
    Some(match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if second.is_ascii_lowercase() => {
            format!("{}{}", first.to_ascii_lowercase(), letters.as_str())
        }
        _ => text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts() {
        assert_eq!(
            (name(2), name(11), name(133)),
            (Some("ENOENT"), Some("EAGAIN"), Some("EHWPOISON"))
        );
        assert_eq!((name(0), name(41), name(134)), (None, None, None));
        let text = |n| super::text(n).unwrap_or_default();
        assert_eq!(text(2), "no such file or directory");
        assert_eq!(text(63), "out of streams resources");
        assert_eq!(text(4095), "errno 4095");
        assert_eq!(super::text(116), None);
    }
}
