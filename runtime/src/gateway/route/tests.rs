use proptest::prelude::*;

use super::*;

fn check(host: &str, path: &str, expected: Result<(&str, &str, &str), RouteError>) {
    let got = match route(&Method::GET, host, path, "localhost") {
        Ok(RequestKind::Invoke(target)) => Ok((
            target.project.as_str().to_owned(),
            target.prefix,
            target.rest,
        )),
        Ok(probe) => panic!("{path} is a {probe:?}"),
        Err(error) => Err(error),
    };
    let expected = expected.map(|(project, prefix, rest)| (project.to_owned(), prefix, rest));
    assert_eq!(got, expected, "{host} {path}");
}

#[test]
fn a_project_is_named_by_path_or_by_host() {
    check(
        "127.0.0.1",
        "/f/demo/hello",
        Ok(("demo", "/f/demo", "/hello")),
    );
    check(
        "localhost",
        "/f/demo/hello/a/b/",
        Ok(("demo", "/f/demo", "/hello/a/b/")),
    );
    check("localhost", "/f/demo", Ok(("demo", "/f/demo", "/")));
    check("localhost", "/f/demo/", Ok(("demo", "/f/demo", "/")));
    check("demo.localhost", "/hello", Ok(("demo", "", "/hello")));
    check("demo.localhost", "/healthz", Ok(("demo", "", "/healthz")));
    check(
        "demo.localhost",
        "/f/other/x",
        Ok(("demo", "", "/f/other/x")),
    );
    check(
        "a.demo.localhost",
        "/f/demo/x",
        Ok(("demo", "/f/demo", "/x")),
    );
    check("demolocalhost", "/f/demo/x", Ok(("demo", "/f/demo", "/x")));
    check("x", "/", Err(RouteError::Nowhere));
    check("x", "/f", Err(RouteError::Nowhere));
    check("x", "/f/", Err(RouteError::Nowhere));
    check("x", "/F/demo/hello", Err(RouteError::Nowhere));
    check("x", "/f/Demo/hello", Err(RouteError::NoProject));
    check("x", "/f/de%6do/hello", Err(RouteError::NoProject));
    check("-a.localhost", "/", Err(RouteError::NoProject));
}

#[test]
fn users_sign_in_below_auth_and_by_no_other_method() {
    let read = |method: Method, path| route(&method, "localhost", path, "localhost");
    let demo: ProjectName = "demo".parse().unwrap();
    let user = RequestKind::Account(demo.clone(), Action::User);
    assert_eq!(read(Method::GET, "/auth/demo/user"), Ok(user));
    let sign_in = RequestKind::Account(demo, Action::SignIn);
    assert_eq!(read(Method::POST, "/auth/demo/sign-in"), Ok(sign_in));
    let allowed = "POST";
    let get = read(Method::GET, "/auth/demo/sign-in");
    assert_eq!(get, Err(RouteError::Method { allowed }));
    for path in [
        "/auth",
        "/auth/",
        "/auth/demo",
        "/auth/demo/",
        "/auth/demo/user/x",
    ] {
        assert_eq!(read(Method::GET, path), Err(RouteError::Nowhere), "{path}");
    }
    let odd = read(Method::GET, "/auth/Demo/user");
    assert_eq!(odd, Err(RouteError::NoProject));
    check(
        "demo.localhost",
        "/auth/demo/user",
        Ok(("demo", "", "/auth/demo/user")),
    );
}

#[test]
fn doubtful_paths_are_refused_with_the_reason() {
    use BadPath::*;
    for (path, why) in [
        ("/f/demo/hello/../other", DotSegment),
        ("/f/demo/..", DotSegment),
        ("/f/demo/./hello", DotSegment),
        ("/f/demo/%2e%2e/other", DotSegment),
        ("/f/demo/.%2E/other", DotSegment),
        ("/f/demo/hello/a%2f..%2fb", DotSegment),
        ("/f/demo/hello/..%2f", DotSegment),
        ("/f/demo//hello", EmptySegment),
        ("//f/demo/hello", EmptySegment),
        ("/f/demo/hello//", EmptySegment),
        ("/f/demo/a\\b", Backslash),
        ("/f/demo/a%5cb", Backslash),
        ("/f/demo/a%00", Control),
        ("/f/demo/a%0d%0ax", Control),
        ("/f/demo/a%7f", Control),
        ("/f/demo/%", Escape),
        ("/f/demo/%2", Escape),
        ("/f/demo/%zz", Escape),
        ("/f/demo/%é0", Escape),
        ("/f/demo/%ff", Encoding),
        ("/f/demo/%c0%ae%c0%ae/", Encoding),
    ] {
        check("x", path, Err(RouteError::BadPath(why)));
    }
    for fine in [
        "/a%20b",
        "/a%2Fb",
        "/%252e%252e",
        "/...",
        "/a..b",
        "/a%c3%a9",
        "/a@b:c;d=e",
    ] {
        let path = format!("/f/demo{fine}");
        check("x", &path, Ok(("demo", "/f/demo", fine)));
    }
}

#[test]
fn files_are_below_their_project_or_at_its_host() {
    let read = |host: &str, path: &str| match route(&Method::PUT, host, path, "localhost") {
        Ok(RequestKind::Files(project, path)) => Ok((project.to_string(), path.to_owned())),
        Ok(other) => panic!("{path} is a {other:?}"),
        Err(error) => Err(error),
    };
    let of_demo = |path: &str| Ok(("demo".to_owned(), path.to_owned()));
    assert_eq!(read("x", "/files/demo/a/b.txt"), of_demo("a/b.txt"));
    assert_eq!(read("x", "/files/demo/"), of_demo(""));
    assert_eq!(read("demo.localhost", "/files/a/b.txt"), of_demo("a/b.txt"));
    assert_eq!(read("demo.localhost", "/files/"), of_demo(""));
    assert_eq!(read("x", "/files/demo"), Err(RouteError::Nowhere));
    assert_eq!(read("x", "/files/Demo/a"), Err(RouteError::NoProject));
    let escaped = Err(RouteError::BadPath(BadPath::EscapedSlash));
    assert_eq!(read("x", "/files/demo/a%2Fb"), escaped);
    assert_eq!(read("demo.localhost", "/files/a%2fb"), escaped);
    check("demo.localhost", "/files", Ok(("demo", "", "/files")));
}

#[test]
fn probes_are_read_only() {
    for (path, kind) in [
        ("/healthz", RequestKind::Health),
        ("/readyz", RequestKind::Ready),
    ] {
        assert_eq!(route(&Method::GET, "x", path, "localhost"), Ok(kind));
        let refused = RouteError::Method {
            allowed: "GET, HEAD",
        };
        assert_eq!(route(&Method::POST, "x", path, "localhost"), Err(refused));
    }
}

proptest! {
    #[test]
    fn any_host_and_path_are_read_without_a_panic(host in ".{0,40}", path in "[/a-f.%0-9@\\\\é]{0,60}") {
        if let Ok(RequestKind::Invoke(target)) = route(&Method::GET, &host, &path, "localhost") {
            let decoded = decode(target.rest).unwrap();
            prop_assert!(!decoded.split('/').any(|s| s == ".." || s == "."));
            prop_assert!(path.starts_with(target.prefix));
        }
    }

    #[test]
    fn any_text_is_read_without_a_panic(host in any::<String>(), path in any::<String>()) {
        let _ = route(&Method::GET, &host, &path, "localhost");
    }
}
