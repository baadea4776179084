//! One table for each kind of text: what goes in, what is left.

use super::*;

const M: &str = "********";

fn hidden(text: &str, secret: Secret, whole: bool) -> String {
    let out = super::text(text.as_bytes(), secret, whole);
    let out = out.unwrap_or_else(|| text.as_bytes().to_vec());
    let again = super::text(&out, secret, whole);
    assert_eq!(again, None, "what is hidden stays as it is: {text}");
    String::from_utf8(out).expect("text")
}

/// `¤` stands for the mask.
fn check(text: &str, expected: &str) {
    check_as(Secret::None, text, expected);
}

fn check_as(secret: Secret, text: &str, expected: &str) {
    assert_eq!(
        hidden(text, secret, true),
        expected.replace('¤', M),
        "{text}"
    );
}

#[test]
fn users_and_passwords_of_urls() {
    check("http://user:hunter2@host/x?y=1", "http://¤@host/x?y=1");
    check("https://hunter2@host", "https://¤@host");
    check(
        "git clone https://u:p%40q@h:1/r.git",
        "git clone https://¤@h:1/r.git",
    );
    check("http%3A%2F%2Fu%3Ap%40host%2Fx", "http%3A%2F%2F¤%40host%2Fx");
    check(
        "parse \"http://u:pa/ss@h\": invalid port",
        "parse \"http://¤@h\": invalid port",
    );
    check("//u:p@host/share", "//¤@host/share");
    check("u:p@host", "u:¤@host");
    check("/images/http:/u:p@host/json", "/images/http:¤@host/json");
    for harmless in [
        "http://host:80/a@b",
        "docker.io/library/x:1@sha256:0123",
        "https://host/v2/repo@tag",
        "git@github.com:org/repo",
        "http://[::1]:80/x@y",
        "mailto:a@b.c",
    ] {
        check(harmless, harmless);
    }
    assert_eq!(
        hidden("http://user:hun", Secret::None, false),
        format!("http://{M}")
    );
    assert_eq!(
        hidden("http://host/hun", Secret::None, false),
        "http://host/hun"
    );
}

#[test]
fn assignments_whose_name_says_secret() {
    check("password=hunter2", "password=¤");
    check("query token=abc", "query token=¤");
    check(
        "addr=1.2.3.4,username=u,password=p,vers=3",
        "addr=1.2.3.4,username=u,password=¤,vers=3",
    );
    check("-o password=pa,ss", "-o password=¤");
    check("(token=abc)", "(token=¤)");
    check("token='a b' x", "token='¤' x");
    check("DB_PASSWORD=\"a b\" run", "DB_PASSWORD=\"¤\" run");
    check("--registry-token=a&b", "--registry-token=¤");
    check("/x?token=a&all=1", "/x?token=¤&all=1");
    check(
        "{Username:u Password:hunter2 Auth:x Email:e}",
        "{Username:u Password:¤ Auth:¤ Email:e}",
    );
    check("password: hunter2", "password: ¤");
    check(
        r#"say "{\"Password\":\"x\"}" now"#,
        r#"say "{\"Password\":\"¤\"}" now"#,
    );
    check("%70assword%3Dhunter2", "%70assword%3D¤");
    check(
        "GET /x: Authorization: Basic dTpw: no",
        "GET /x: Authorization: ¤",
    );
    for harmless in [
        "my-secret:latest",
        "no such secret: foo",
        "error getting credentials - err: exit status 1",
        "no basic auth credentials",
        "invalid filter 'dangling=[maybe]'",
        "--password-stdin x",
        "label=com.example.owner=me",
        "PASSWORD_FILE=/run/x",
        "Bearer authentication",
    ] {
        check(harmless, harmless);
    }
}

#[test]
fn command_lines() {
    check("mysql --password hunter2 -h db", "mysql --password ¤ -h db");
    check(
        "sh -c 'curl -u me:hunter2 http://x'",
        "sh -c 'curl -u me:¤ http://x'",
    );
    check("docker login -u me -p hunter2", "docker login -u me -p ¤");
    check(
        "docker run -e A=hunter2 -u 1000:1000 x",
        "docker run -e A=¤ -u 1000:1000 x",
    );
    check(
        "mysqladmin ping -uroot -phunter2",
        "mysqladmin ping -uroot -p¤",
    );
    check(
        "docker build --build-arg A=b .",
        "docker build --build-arg A=¤ .",
    );
    let words = |list: &[&str]| -> Vec<String> {
        let mut words = Words::default();
        list.iter()
            .map(|w| {
                let hidden = words.push(w.as_bytes(), Secret::None, true);
                let hidden = hidden.unwrap_or_else(|| w.as_bytes().to_vec());
                String::from_utf8(hidden).expect("text").replace(M, "¤")
            })
            .collect()
    };
    assert_eq!(
        words(&["x", "--token", "hunter2", "y"]),
        ["x", "--token", "¤", "y"]
    );
    assert_eq!(
        words(&["x", "--token", "--all", "y"]),
        ["x", "--token", "--all", "y"]
    );
    assert_eq!(
        words(&["curl", "-u", "a:b", "-u"]),
        ["curl", "-u", "a:¤", "-u"]
    );
    assert_eq!(words(&["redis-cli", "-a", "b"]), ["redis-cli", "-a", "¤"]);
    assert_eq!(words(&["sleep", "1000"]), ["sleep", "1000"]);
}

#[test]
fn documents() {
    check(
        r#"{"Password":"x","User":"u"}"#,
        r#"{"Password":"¤","User":"u"}"#,
    );
    check(
        r#"{"Env":["A=x","B"],"Cmd":["a","--token","x"]}"#,
        r#"{"Env":["A=¤","B"],"Cmd":["a","--token","¤"]}"#,
    );
    check(r#"{"Env":{"A":"x"}}"#, r#"{"Env":{"A":"¤"}}"#);
    check(
        r#"{"env":[{"Name":"A","Value":"x"}]}"#,
        r#"{"env":[{"Name":"A","Value":"¤"}]}"#,
    );
    check(r#"{"Env":{"NAME":"x"}}"#, r#"{"Env":{"NAME":"¤"}}"#);
    check(
        r#"{"BuildArgs":{"A":"x"},"n":1}"#,
        r#"{"BuildArgs":{"A":"¤"},"n":1}"#,
    );
    check(
        r#"{"token":{"a":[1,2]},"secret":17}"#,
        r#"{"token":"¤","secret":"¤"}"#,
    );
    check(r#"{"\u0050assword":"x"}"#, r#"{"\u0050assword":"¤"}"#);
    check(
        r#"{"u":"http:\/\/u:p@h\u00e9 \ud83d\ude00"}"#,
        "{\"u\":\"http://¤@hé 😀\"}",
    );
    check(
        r#"{"filters":{"label":{"password=x":true}}}"#,
        r#"{"filters":{"label":{"password=¤":true}}}"#,
    );
    check(
        r#"{"j":"{\"token\":\"x\"}"}"#,
        r#"{"j":"{\"token\":\"¤\"}"}"#,
    );
    check(
        r#"{"list":[{"Key":"api-key","Value":"x"},{"Key":"a","Value":"b"}]}"#,
        r#"{"list":[{"Key":"api-key","Value":"¤"},{"Key":"a","Value":"b"}]}"#,
    );
    check(
        r#"{"headers":{"Accept":["a"],"X-Any":["x"]}}"#,
        r#"{"headers":{"Accept":["a"],"X-Any":"¤"}}"#,
    );
    check("eyJ1c2VybmFtZSI6InUifQ== x", "¤ x");
    for harmless in [
        r#"{"label":["a=b"],"n":1}"#,
        "{{.ID}}",
        "[maybe]",
        "{}",
        r#"{"Password":""}"#,
        r#"{"Secrets":[{"SecretID":"a","SecretName":"b"}]}"#,
    ] {
        check(harmless, harmless);
    }
}

#[test]
fn a_document_that_breaks_hides_what_follows() {
    let cut = hidden(r#"{"a":"b","Env":["X=1","Y=2"#, Secret::None, false);
    assert_eq!(cut, format!(r#"{{"a":"b","Env":["X={M}",{M}"#));
    let broken = hidden(r#"{"a":"b" hunter2"#, Secret::None, true);
    assert_eq!(broken, format!(r#"{{"a":"b" {M}"#));
    let deep = format!("{}\"hunter2\"", "{\"a\":".repeat(200));
    assert!(!hidden(&deep, Secret::None, true).contains("hunter2"));
}

#[test]
fn queries() {
    let check = |text, expected| check_as(Secret::Query, text, expected);
    check("token=x&all=1", "token=¤&all=1");
    check("%74oken=x%26y&a=b", "%74oken=¤&a=b");
    check("all=1;password=x", "all=1;password=¤");
    check(
        "fromSrc=http%3A%2F%2Fu%3Ap%40h%2Fx",
        "fromSrc=http%3A%2F%2F¤%40h%2Fx",
    );
    check(
        "buildargs=%7B%22A%22%3A%22x%22%7D&t=a",
        "buildargs=%7B%22A%22%3A%22¤%22%7D&t=a",
    );
    check("buildargs=A%3Dx", "buildargs=A%3D¤");
    check(
        "changes=ENV+A%3Dx&changes=LABEL+a%3Db",
        "changes=ENV+A%3D¤&changes=LABEL+a%3Db",
    );
    check("changes=ENV%20A%20x", "changes=ENV%20A%20¤");
    check(
        "labels=%7B%22api-key%22%3A%22x%22%7D",
        "labels=%7B%22api-key%22%3A%22¤%22%7D",
    );
    for harmless in [
        "all=1&size=1",
        "filters=%7B%22label%22%3A%7B%22a%3Db%22%3Atrue%7D%7D",
        "a=%zz",
        "token=",
        "",
    ] {
        check(harmless, harmless);
    }
    assert_eq!(
        hidden("all=1&remote=http%3A%2F%2Fu%3Apa", Secret::Query, false),
        format!("all=1&remote=http%3A%2F%2F{M}")
    );
}

#[test]
fn environments_and_shapes() {
    check_as(Secret::EnvValue, "A=hunter2", "A=¤");
    check_as(Secret::EnvValue, "A=", "A=");
    check_as(Secret::EnvValue, "A", "A");
    assert_eq!(hidden("hunter2", Secret::EnvValue, false), M);
    check_as(Secret::Values, r#"{"A":"x"}"#, r#"{"A":"¤"}"#);
    check_as(Secret::Values, "hunter2", "¤");
    check_as(Secret::All, "hunter2", "¤");
    check("join SWMTKN-1-abc-def now", "join ¤ now");
    check(
        "-----BEGIN RSA PRIVATE KEY-----\nab\n-----END RSA PRIVATE KEY-----",
        "¤-----END RSA PRIVATE KEY-----",
    );
    check("with Bearer abcDEF123 and", "with Bearer ¤ and");
    check("Basic dXNlcjpwYXNz", "Basic ¤");
    assert_eq!(count(format!("a {M} b {M}{M} ***").as_bytes()), 2);
}

/// Texts put together of parts that mean something to the rules, from a fixed seed.
#[test]
fn no_text_makes_it_panic_or_hide_differently_the_second_time() {
    const PARTS: &[&str] = &[
        "{\"",
        "\":",
        "\"",
        "[",
        "]",
        "}",
        ",",
        "token",
        "=",
        "&",
        "?",
        "://",
        "@",
        ":",
        "--password",
        " ",
        "Env",
        "%3D",
        "%22",
        "\\",
        "eyJ1c2VybmFtZSI6",
        "x",
        "u:p@h",
        "********",
        "*",
        "\n",
        "'",
        "ENV A=b",
        "é",
        "buildargs",
        "-e",
        "docker",
        "name",
        "Value",
        "Authorization: ",
        "-----BEGIN A PRIVATE KEY-----",
        "//",
        "%",
        ";",
    ];
    let mut seed = 7u64;
    let mut next = || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize
    };
    for _ in 0..20_000 {
        let text: String = (0..next() % 12)
            .map(|_| PARTS[next() % PARTS.len()])
            .collect();
        for secret in [
            Secret::None,
            Secret::Query,
            Secret::EnvValue,
            Secret::Values,
        ] {
            for whole in [true, false] {
                let once = super::text(text.as_bytes(), secret, whole);
                let once = once.unwrap_or_else(|| text.clone().into_bytes());
                let twice = super::text(&once, secret, whole);
                let twice = twice.unwrap_or_else(|| once.clone());
                assert_eq!(
                    String::from_utf8_lossy(&twice),
                    String::from_utf8_lossy(&once),
                    "{text:?} as {secret:?}, whole: {whole}"
                );
            }
        }
    }
}
