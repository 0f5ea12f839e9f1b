//! What every gateway must do, whichever it is. The shipped configurations protect everything but `/healthz` and
//! `/public/`; `/admin` demands the permission `user:view`, which a viewer lacks.

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Token {
    None,
    Junk,
    Viewer,
    Administrator,
}

/// What must come of it.
#[derive(Debug, Clone, Copy)]
pub enum Outcome {
    /// The service sees the request, and whose it is.
    Enters,
    /// The service sees the request, and three empty headers.
    EntersUnnamed,
    /// The service sees nothing, the client this status and code of the server.
    Refused(u16, &'static str),
}

/// One line of the table.
pub struct Case {
    pub what: &'static str,
    pub token: Token,
    pub path: &'static str,
    pub headers: &'static [&'static str],
    pub outcome: Outcome,
}

pub const CASES: &[Case] = &[
    case("no token", Token::None, "/projects", &[], MISSING),
    case("no token at the root", Token::None, "/", &[], MISSING),
    case("a junk token", Token::Junk, "/projects", &[], INVALID),
    case("a password instead of a token", Token::None, "/projects", &["Authorization: Basic YTpi"], MISSING),
    case("a token in the query", Token::None, "/projects?access_token=abc", &[], MISSING),
    case("a good token", Token::Viewer, "/projects", &[], Outcome::Enters),
    case("a query of its own", Token::Viewer, "/projects?permission=a:b&x=%2e%2e/../", &[], Outcome::Enters),
    case("an answer in HTML wanted", Token::Viewer, "/projects", &["Accept: text/html"], Outcome::Enters),
    case(
        "a condition",
        Token::Viewer,
        "/projects",
        &["If-None-Match: *", "Range: bytes=0-1"],
        Outcome::Enters,
    ),
    case("a dot in a name", Token::Viewer, "/.well-known/a..b/...", &[], Outcome::Enters),
    case("the permission lacks", Token::Viewer, "/admin", &[], FORBIDDEN),
    case("the permission lacks further down", Token::Viewer, "/admin/users?x=1", &[], FORBIDDEN),
    case("the permission lacks in capitals", Token::Viewer, "/ADMIN/users", &[], FORBIDDEN),
    case("the permission lacks in escapes", Token::Viewer, "/%61dmin/users", &[], FORBIDDEN),
    case("no token for more than a token", Token::None, "/admin", &[], MISSING),
    case("the permission is there", Token::Administrator, "/admin", &[], Outcome::Enters),
    case("a path that only begins alike", Token::Viewer, "/administration", &[], Outcome::Enters),
    case("an open path", Token::None, "/healthz", &[], Outcome::EntersUnnamed),
    case("an open path, and a junk token", Token::Junk, "/public/logo.png", &[], Outcome::EntersUnnamed),
    case("below an open path that is exact", Token::None, "/healthz/more", &[], MISSING),
    case("beside an open path", Token::None, "/publicity", &[], MISSING),
    case("another path for the service", Token::None, "/projects", &["X-Original-URL: /healthz"], MISSING),
    case("another path for the server", Token::None, "/projects", &["X-Forwarded-Uri: /healthz"], MISSING),
    case(
        "another method for the server",
        Token::None,
        "/projects",
        &["X-HTTP-Method-Override: OPTIONS"],
        MISSING,
    ),
    case(
        "the token is to be dropped",
        Token::None,
        "/projects",
        &["Connection: Authorization, close"],
        MISSING,
    ),
    case("the way into the gateway", Token::Junk, "/api/v1/auth/verify", &[], INVALID),
];

const MISSING: Outcome = Outcome::Refused(401, "missing_token");
const INVALID: Outcome = Outcome::Refused(401, "invalid_token");
const FORBIDDEN: Outcome = Outcome::Refused(403, "forbidden");

const fn case(
    what: &'static str,
    token: Token,
    path: &'static str,
    headers: &'static [&'static str],
    outcome: Outcome,
) -> Case {
    Case { what, token, path, headers, outcome }
}

/// What opens a WebSocket.
pub const UPGRADE: &[&str] = &[
    "Connection: Upgrade, close",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

/// Headers by which a client claims to be somebody, or tries to have the trusted ones dropped. None may reach the service.
pub const SPOOFS: &[&str] = &[
    "X-Auth-User-Id: evil",
    "x-auth-user-id: evil",
    "X-AUTH-USER-ID: evil",
    "X-Auth-User-Id: evil\r\nX-Auth-User-Id: evil",
    "X-Auth-User-Id:",
    "X-Auth-Email: evil",
    "X-Auth-Roles: evil",
    "X-Auth-Roles: evil\r\nX-Auth-Email: evil\r\nX-Auth-User-Id: evil",
    "X_Auth_User_Id: evil",
    "x_auth_roles: evil",
    "X_AUTH_EMAIL: evil",
    "X-Auth_User-Id: evil",
    "X-Auth-User_Id: evil",
    "X.Auth.User.Id: evil",
    "X-Auth.User-Id: evil",
    "x.auth_roles: evil",
    "X~Auth~User~Id: evil",
    "X+Auth+Roles: evil",
    "X!Auth#User$Id: evil",
    "X%Auth&User'Id: evil",
    "X*Auth^User`Id: evil",
    "X|Auth|Email: evil",
    "Remote-User: evil",
    "REMOTE_USER: evil",
    "Remote.User: evil",
    "Remote-Groups: evil",
    "Remote-Email: evil",
    "Remote-Name: evil",
    "X-Remote-User: evil",
    "X-Remote-Group: evil",
    "X-Forwarded-User: evil",
    "X-Forwarded-Email: evil",
    "X-Forwarded-Groups: evil",
    "X_Forwarded_User: evil",
    "X-Auth-User: evil",
    "X-Auth-Request-User: evil",
    "X-Auth-Request-Email: evil",
    "X-Auth-Request-Groups: evil",
    "X-Webauth-User: evil",
    "X-Forwarded-For: evil",
    "X-Forwarded-Host: evil",
    "X-Forwarded-Proto: evil",
    "Forwarded: for=evil",
    "X-Original-URL: /evil",
    "X-Rewrite-URL: /evil",
    "Connection: close, X-Auth-User-Id",
    "Connection: close, x-auth-user-id, X-Auth-Roles, X-Auth-Email",
    "Connection: close\r\nConnection: X-Auth-User-Id",
    "Connection: X-Auth-User-Id, close\r\nX-Auth-User-Id: evil",
    "Connection: close, X_Auth_User_Id\r\nX_Auth_User_Id: evil",
    "Proxy-Connection: X-Auth-User-Id",
    "Keep-Alive: X-Auth-User-Id",
];

/// Paths that are open, or demand less, for one reader and not for another.
pub const AMBIGUOUS_PATHS: &[&str] = &[
    "/public/../admin",
    "/public/..",
    "/public/./../admin",
    "/public/%2e%2e/admin",
    "/public/%2E./admin",
    "/public/.%2e/admin",
    "/public/%252e%252e/admin",
    "/public/%25252e%25252e/admin",
    "/public/..%2fadmin",
    "/public/..%2Fadmin",
    "/public%2f..%2fadmin",
    "/public/..%252fadmin",
    "/public/..;/admin",
    "/public/..;a=b/admin",
    "/public/;/../admin",
    "/public/%2e%2e;/admin",
    "/public/..%3b/admin",
    "/public/..%00/admin",
    "/public/%00/../admin",
    "/public/..\\admin",
    "/public/..%5cadmin",
    "/public\\..\\admin",
    "/public//../admin",
    "//public/../admin",
    "/healthz/../admin",
    "/healthz/..;/admin",
    "/healthz;/../admin",
    "/healthz%2f..%2fadmin",
    "/healthz%00",
    "/healthz#/../admin",
    "/public/%zz/../admin",
    "//admin",
    "/./admin",
    "/%2fadmin",
    "/%2e/admin",
    "/;/admin",
    "/admin;x/users",
    "/projects/..;/admin",
    "/projects/%2e%2e/admin",
    "/projects/../admin",
    "\\admin",
    "http://localhost/admin",
    "http://localhost/public/../admin",
    "http://localhost//admin",
];
