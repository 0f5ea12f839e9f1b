use actix_web::http::header;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use maestro_auth_domain::{Action, AuditFilter, UserId, Violation};
use maestro_auth_service::AuditExport;
use utoipa::IntoParams;

use crate::audit_text::{EntryText, Format};
use crate::http::access::Caller;
use crate::http::page::{Asked, Page, PageParams};
use crate::http::query::Query;
use crate::http::{ApiError, HttpState, in_time, problem};

/// Which entries are asked for: those that everything holds for that is given.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the query; handlers take its parameters out one by one")]
pub(in crate::http) struct AuditParams {
    /// The user who acted, or who was acted upon.
    #[param(format = Uuid)]
    user_id: Option<String>,
    /// What was done.
    #[param(example = "login.failed")]
    action: Option<String>,
    /// Not before this time (RFC 3339).
    #[param(format = DateTime, example = "2026-11-24T06:00:00Z")]
    since: Option<String>,
    /// Before this time (RFC 3339).
    #[param(format = DateTime, example = "2026-11-25T06:00:00Z")]
    until: Option<String>,
}

/// How an export is written.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the query; handlers take its parameters out one by one")]
pub(in crate::http) struct FormatParams {
    /// `jsonl`, one JSON object a line; or `csv`.
    #[param(default = "jsonl", example = "csv")]
    format: Option<String>,
}

/// Lists what has happened, the newest entries first.
#[utoipa::path(
    get,
    operation_id = "admin_audit_list",
    path = "/api/v1/admin/audit",
    tag = "administration",
    params(AuditParams, PageParams),
    responses((status = 200, description = "A page of entries.", body = Page<EntryText<'static>>)),
)]
pub(in crate::http) async fn list(
    state: Data<HttpState>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let mut query = Query::of(&request)?;
    let filter = filter(&mut query)?;
    let asked = Asked::of(&mut query, &*state.cursor_key, "audit")?;
    query.finish()?;
    let found = state.auth.find_audit(&caller, &filter, asked.after()?, asked.limit());
    let (entries, next) = in_time(found).await?;
    let items = entries.iter().map(EntryText::of).collect();
    Ok(HttpResponse::Ok().json(asked.page(items, next.map(|id| id.to_string()))))
}

/// Gives out the whole trail, or what of it is asked for, the newest entries first.
///
/// Should the storage fail on the way, the answer breaks off, so that half of the trail is not taken for the whole.
#[utoipa::path(
    get,
    operation_id = "admin_audit_export",
    path = "/api/v1/admin/audit/export",
    tag = "administration",
    params(AuditParams, FormatParams),
    responses((
        status = 200,
        description = "The entries, one a line.",
        content((String = "application/x-ndjson"), (String = "text/csv")),
        headers(("Content-Disposition" = String, description = "Tells a browser to save it as a file.")),
    )),
)]
pub(in crate::http) async fn export(
    state: Data<HttpState>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let mut query = Query::of(&request)?;
    let filter = filter(&mut query)?;
    let format = query.optional("format", format)?.unwrap_or(Format::Jsonl);
    query.finish()?;
    // The first page is read before anything is answered, so that a storage that does not answer is a 503.
    let mut export = in_time(state.auth.export_audit(&caller, filter)).await?;
    let first = in_time(export.next_page()).await?.unwrap_or_default();
    let head = Some(format.head() + &format.lines(&first));
    let begun = Begun { head, export, format, state: state.clone(), caller };
    let disposition = format!("attachment; filename=\"{}\"", format.file_name());
    Ok(HttpResponse::Ok()
        .content_type(format.media_type())
        .insert_header((header::CONTENT_DISPOSITION, disposition))
        .streaming(stream::try_unfold(begun, next_part)))
}

/// An export on its way, which holds one page of it.
struct Begun {
    head: Option<String>,
    export: AuditExport,
    format: Format,
    state: Data<HttpState>,
    caller: Caller,
}

async fn next_part(mut begun: Begun) -> Result<Option<(Bytes, Begun)>, actix_web::Error> {
    if let Some(head) = begun.head.take() {
        return Ok(Some((head.into(), begun)));
    }
    // It may take its time; whoever is dismissed meanwhile gets no more.
    in_time(begun.state.auth.confirm(&begun.caller)).await.inspect_err(problem::log)?;
    let page = in_time(begun.export.next_page()).await.inspect_err(problem::log)?;
    Ok(page.map(|entries| (begun.format.lines(&entries).into(), begun)))
}

fn filter(query: &mut Query<'_>) -> Result<AuditFilter, ApiError> {
    Ok(AuditFilter {
        user: query.id::<UserId>("user_id")?,
        action: query.optional("action", action)?,
        since: query.instant("since")?,
        until: query.instant("until")?,
    })
}

fn action(name: &str) -> Result<Action, Violation> {
    const UNKNOWN: Violation = Violation::new(
        "action_unknown",
        "The query parameter action is the name of an action, such as login.failed.",
    );
    Action::from_name(name).ok_or(UNKNOWN)
}

fn format(name: &str) -> Result<Format, Violation> {
    const UNKNOWN: Violation =
        Violation::new("format_unknown", "The query parameter format is jsonl or csv.");
    Format::from_name(name).ok_or(UNKNOWN)
}
