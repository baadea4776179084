//! The places of docs/secrets.md: each row of its table has secrets planted, and each of them is
//! captured.

/// A row, by how it begins, and the secrets that are planted for it.
pub const PLACES: &[(&str, &[&str])] = &[
    (
        "fields, parameters, results, labels",
        &[
            "?token=",
            "filter of a label",
            "label",
            "changes=LABEL",
            "splunk-token",
            "volume option",
            "volume option o",
            "volume label",
            "network option",
            "network label",
            "IPAM option",
            "service label",
        ],
    ),
    (
        "`Env` and other environments",
        &["Env", "image Env", "exec Env", "service Env"],
    ),
    (
        "functions whose name says secret",
        &["unlock key of the swarm", "identity token of a login"],
    ),
    ("buffers", &["identity token of a login"]),
    ("build arguments", &["buildargs"]),
    ("every `http.Header`", &["X-Custom"]),
    (
        "`X-Meta-*`, `X-Registry-*`",
        &[
            "Authorization: Basic",
            "Cookie",
            "Proxy-Authorization",
            "X-Meta-Team",
            "X-Meta of a pull",
            "X-Registry-Auth",
        ],
    ),
    (
        "registry credentials",
        &[
            "/auth",
            "password of a pull",
            "identity token of a pull",
            "password of a push",
            "service auth",
        ],
    ),
    (
        "what `loginCredentialStore.Basic`",
        &["password of a login"],
    ),
    (
        "swarm:",
        &[
            "swarm secret",
            "swarm config",
            "join token",
            "worker token",
            "manager token",
            "unlock key",
            "signing CA key",
        ],
    ),
    ("plugin settings", &["plugin setting"]),
    ("private keys", &["key in a command"]),
    (
        "URLs in any text",
        &[
            "userinfo in a query",
            "userinfo in a path",
            "User-Agent",
            "fromSrc",
            "remote",
            "userinfo of a realm",
        ],
    ),
    ("`user:password@host`", &["password without a scheme"]),
    (
        "command lines",
        &[
            "Cmd",
            "Cmd, assigned",
            "Entrypoint",
            "healthcheck",
            "exec Cmd",
            "service Args",
        ],
    ),
    ("Dockerfile instructions", &["changes=ENV"]),
    ("texts and bytes that are JSON", &["JSON in a command"]),
    (
        "base64 of JSON",
        &["base64 of JSON in a command", "Bearer in a command"],
    ),
];

/// Calls that get or give a secret, by the end of their name: with `--redact=off` they show that of
/// the place.
pub const CALLS: &[(&str, &str)] = &[
    (".ContainerCreate", "Env"),
    (".CreateDaemonEnvironment", "Env"),
    (".AuthenticateToRegistry", "identity token of a login"),
    (".AuthenticateToRegistry", "password of a login"),
    (".Basic", "password of a login"),
    (".SetRefreshToken", "identity token of a login"),
    (".CreateSecret", "swarm secret"),
    (".CreateConfig", "swarm config"),
    (".CreateService", "service auth"),
    (".CreateService", "service Env"),
    (".UnlockSwarm", "unlock key"),
    (".GetUnlockKey", "unlock key of the swarm"),
    (".Join", "join token"),
    (".PullImage", "password of a pull"),
    (".PushImage", "password of a push"),
    (".Set", "plugin setting"),
    (".CreateNetwork", "IPAM option"),
    (".Create", "volume option"),
    (".ContainerExecCreate", "exec Cmd"),
];

/// The first cells of the table in the document.
fn rows() -> Vec<String> {
    let document = include_str!("../../../../docs/secrets.md");
    let table = document.lines().skip_while(|l| !l.starts_with("|---"));
    let rows = table.skip(1).take_while(|l| l.starts_with('|'));
    rows.map(|l| l.trim_start_matches('|').trim().to_owned())
        .collect()
}

#[test]
fn every_row_of_the_document_has_secrets_planted() {
    let rows = rows();
    assert!(rows.len() > 10, "{rows:#?}");
    for row in &rows {
        let planted = PLACES.iter().filter(|(begin, _)| row.starts_with(begin));
        assert_eq!(planted.count(), 1, "{row}");
    }
    for (begin, places) in PLACES {
        let named = rows.iter().filter(|row| row.starts_with(begin));
        assert_eq!(named.count(), 1, "{begin}");
        assert!(!places.is_empty(), "{begin}");
    }
}
