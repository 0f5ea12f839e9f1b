use actix_web::guard::{GuardContext, fn_guard};
use actix_web::http::Method;
use actix_web::web::ServiceConfig;
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, web};

use super::{ApiError, ErrorCode, accept};

/// One path with its methods. Whatever else is asked of it is answered 405 or 406.
pub(super) struct Endpoint {
    path: &'static str,
    resource: Resource,
    methods: Vec<Method>,
    negotiates: fn(&GuardContext<'_>) -> bool,
}

impl Endpoint {
    /// A path that answers in JSON, and says 406 to whoever does not take it.
    pub(super) fn json(path: &'static str) -> Self {
        Self::new(path, |context| accept::takes_json(context.head().headers()))
    }

    /// A path that answers in its one media type, whatever the client says it takes.
    pub(super) fn page(path: &'static str) -> Self {
        Self::new(path, |_| true)
    }

    fn new(path: &'static str, negotiates: fn(&GuardContext<'_>) -> bool) -> Self {
        Self { path, resource: web::resource(path), methods: Vec::new(), negotiates }
    }

    /// Answers GET, and HEAD as its companion (RFC 9110 section 9.3.2).
    pub(super) fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route(&[Method::GET, Method::HEAD], handler)
    }

    pub(super) fn post<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route(&[Method::POST], handler)
    }

    fn route<F, Args>(mut self, methods: &'static [Method], handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let negotiates = self.negotiates;
        let is_asked =
            move |context: &GuardContext<'_>| methods.contains(&context.head().method) && negotiates(context);
        self.methods.extend_from_slice(methods);
        self.resource = self.resource.route(web::route().guard(fn_guard(is_asked)).to(handler));
        self
    }
}

/// Registers endpoints, and remembers what it registered, so that the `OpenAPI` document can be held to it.
pub(super) struct Router<'a> {
    config: &'a mut ServiceConfig,
    registered: Vec<(&'static str, Vec<Method>)>,
}

impl<'a> Router<'a> {
    pub(super) fn new(config: &'a mut ServiceConfig) -> Self {
        Self { config, registered: Vec::new() }
    }

    pub(super) fn add(&mut self, endpoint: Endpoint) {
        let methods = endpoint.methods.clone();
        let refuse = move |request: HttpRequest| {
            let error = refusal(request.method(), &methods);
            async move { Err::<HttpResponse, ApiError>(error) }
        };
        self.config.service(endpoint.resource.default_service(web::to(refuse)));
        self.registered.push((endpoint.path, endpoint.methods));
    }

    /// Every path with its methods.
    #[cfg(test)]
    pub(super) fn registered(self) -> Vec<(&'static str, Vec<Method>)> {
        self.registered
    }
}

/// Answers every path that was not registered.
pub(super) async fn not_found(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    match *request.method() {
        // No path takes these, so the path says nothing (SEC-102).
        Method::TRACE | Method::CONNECT => Err(ApiError::method_not_allowed("GET, HEAD, POST".to_owned())),
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
