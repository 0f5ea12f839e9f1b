use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Json, Path};
use maestro_auth_client::Identity;
use serde::{Deserialize, Serialize};

/// All projects, in memory. Another service would have a database here.
#[derive(Default)]
pub(crate) struct Projects {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    last_id: u64,
    by_id: BTreeMap<u64, Project>,
}

#[derive(Clone, Serialize)]
struct Project {
    id: u64,
    name: String,
    /// The id of the user who made it, which never changes, unlike a name or an address.
    owner: String,
}

/// What a client sends to make a project.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewProject {
    name: String,
}

impl Projects {
    const MAX: usize = 1_000;
    const MAX_NAME_CHARS: usize = 100;

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Serialize)]
struct List {
    items: Vec<Project>,
}

pub(crate) async fn list(projects: Data<Projects>) -> HttpResponse {
    let items = projects.known().by_id.values().cloned().collect();
    HttpResponse::Ok().json(List { items })
}

pub(crate) async fn create(
    caller: Identity,
    projects: Data<Projects>,
    Json(NewProject { name }): Json<NewProject>,
) -> HttpResponse {
    if name.is_empty() || name.chars().count() > Projects::MAX_NAME_CHARS {
        return HttpResponse::UnprocessableEntity().body("A name has 1 to 100 characters.");
    }
    let mut known = projects.known();
    if known.by_id.len() >= Projects::MAX {
        return HttpResponse::Conflict().body("There are 1000 projects, and no room for more.");
    }
    known.last_id += 1;
    let project = Project { id: known.last_id, name, owner: caller.user_id().to_string() };
    known.by_id.insert(project.id, project.clone());
    HttpResponse::Created().insert_header((LOCATION, format!("/projects/{}", project.id))).json(project)
}

pub(crate) async fn delete(projects: Data<Projects>, id: Path<u64>) -> HttpResponse {
    match projects.known().by_id.remove(&id) {
        Some(_) => HttpResponse::NoContent().finish(),
        None => HttpResponse::NotFound().finish(),
    }
}
