use actix_web::guard::{GuardContext, fn_guard};
use actix_web::http::Method;
use actix_web::web::ServiceConfig;
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, web};

use super::access::{self, Access};
use super::{ApiError, ErrorCode, accept};

/// One path with its methods. Whatever else is asked of it is answered 405 or 406.
pub(super) struct Endpoint {
    path: &'static str,
    resource: Resource,
    /// Every method with who may call it.
    methods: Vec<(Method, Access)>,
    negotiates: fn(&GuardContext<'_>) -> bool,
    is_negotiated: bool,
}

/// Declares what registers the handler of a method.
macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident = [$($method:ident),+];)+) => {
        $(
            $(#[$doc])*
            pub(super) fn $name<F, Args>(self, access: Access, handler: F) -> Self
            where
                F: Handler<Args>,
                Args: FromRequest + 'static,
                F::Output: Responder + 'static,
            {
                self.route(&[$(Method::$method),+], access, handler)
            }
        )+
    };
}

impl Endpoint {
    /// A path that answers in JSON, and says 406 to whoever does not take it.
    pub(super) fn json(path: &'static str) -> Self {
        Self::new(path, true, |context| accept::takes_json(context.head().headers()))
    }

    /// A path that answers in JSON, or with server-sent events to whoever asks for them.
    pub(super) fn json_or_events(path: &'static str) -> Self {
        Self::new(path, true, |context| {
            let headers = context.head().headers();
            accept::asks_for_events(headers) || accept::takes_json(headers)
        })
    }

    /// A path that answers in its one media type, whatever the client says it takes.
    pub(super) fn page(path: &'static str) -> Self {
        Self::new(path, false, |_| true)
    }

    methods! {
        /// Answers GET, and HEAD as its companion (RFC 9110 section 9.3.2).
        get = [GET, HEAD];
        post = [POST];
        put = [PUT];
        patch = [PATCH];
        delete = [DELETE];
    }

    fn new(path: &'static str, is_negotiated: bool, negotiates: fn(&GuardContext<'_>) -> bool) -> Self {
        let (resource, methods) = (web::resource(path), Vec::new());
        Self { path, resource, methods, negotiates, is_negotiated }
    }

    fn route<F, Args>(mut self, methods: &'static [Method], access: Access, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let negotiates = self.negotiates;
        let is_asked =
            move |context: &GuardContext<'_>| methods.contains(&context.head().method) && negotiates(context);
        let route = web::route().guard(fn_guard(is_asked));
        let route = if access.is_checked_by_router() {
            route.to(access::checked(access, handler))
        } else {
            route.to(handler)
        };
        self.methods.extend(methods.iter().map(|method| (method.clone(), access)));
        self.resource = self.resource.route(route);
        self
    }
}

/// One method of one path, as it was registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Registered {
    pub path: &'static str,
    pub method: Method,
    pub access: Access,
    /// Whether it answers 406 to whoever does not take its media types.
    pub is_negotiated: bool,
}

/// Registers endpoints, and remembers what it registered, so that the `OpenAPI` document can be held to it.
pub(super) struct Router<'a> {
    config: &'a mut ServiceConfig,
    registered: Vec<Registered>,
}

impl<'a> Router<'a> {
    pub(super) fn new(config: &'a mut ServiceConfig) -> Self {
        Self { config, registered: Vec::new() }
    }

    pub(super) fn add(&mut self, endpoint: Endpoint) {
        let Endpoint { path, resource, methods, is_negotiated, .. } = endpoint;
        let of_method = |(method, access)| Registered { path, method, access, is_negotiated };
        let of_path = methods.iter().cloned().map(of_method);
        self.registered.extend(of_path);
        let methods: Vec<Method> = methods.into_iter().map(|(method, _)| method).collect();
        let refuse = move |request: HttpRequest| {
            let error = refusal(request.method(), &methods);
            async move { Err::<HttpResponse, ApiError>(error) }
        };
        self.config.service(resource.default_service(web::to(refuse)));
    }

    /// Every method of every path.
    pub(super) fn into_registered(self) -> Vec<Registered> {
        self.registered
    }
}

/// Answers every path that was not registered.
pub(super) async fn not_found(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    match *request.method() {
        // No path takes these, so the path says nothing (SEC-102).
        Method::TRACE | Method::CONNECT => {
            Err(ApiError::method_not_allowed("GET, HEAD, POST, PUT, PATCH, DELETE".to_owned()))
        }
        _ => Err(ApiError::new(ErrorCode::NotFound)),
    }
}

fn refusal(method: &Method, methods: &[Method]) -> ApiError {
    if methods.contains(method) {
        return ApiError::new(ErrorCode::NotAcceptable);
    }
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    ApiError::method_not_allowed(names.join(", "))
}
