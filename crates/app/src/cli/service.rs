use std::io::Write;

use anyhow::Context;
use clap::{Args, Subcommand};
use maestro_auth_domain::{ClientId, DisplayName, PermissionName, Service};
use maestro_auth_service::{AuthService, Caller};

use super::print;
use crate::config::Settings;
use crate::failure::Failure;
use crate::wire;

/// How many services are read at a time.
const PAGE: u32 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Register a service and print its credentials; the secret is shown this once
    Create(Create),
    /// List services in the order of their registration
    List,
    /// Delete a service; its credentials open nothing from then on
    Delete {
        #[arg(value_name = "CLIENT_ID")]
        id: ClientId,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// No two services have the same
    #[arg(long, value_parser = DisplayName::parse)]
    name: DisplayName,
    /// What the service may do at this server, as resource:action; repeat it for more
    #[arg(long = "permission", value_name = "PERMISSION", value_parser = PermissionName::parse)]
    permissions: Vec<PermissionName>,
}

pub(super) async fn run(settings: &Settings, action: Action, out: &mut impl Write) -> Result<(), Failure> {
    let auth = &*wire::build(settings, wire::Purpose::Operate).await?.auth;
    match action {
        Action::Create(order) => create(auth, order, out).await,
        Action::List => list(auth, out).await,
        Action::Delete { id } => {
            let deleted = auth.delete_service(&Caller::operator(), id).await;
            deleted.with_context(|| format!("the service {id} was not deleted"))?;
            print(out, &format!("{id} is deleted"))
        }
    }
}

async fn create(auth: &AuthService, order: Create, out: &mut impl Write) -> Result<(), Failure> {
    let Create { name, permissions } = order;
    let permissions = permissions.into_iter().collect();
    let made = auth.create_service(&Caller::operator(), name, permissions).await;
    let (service, secret) = made.context("the service was not registered")?;
    print(out, &format!("client_id      {}", service.id))?;
    print(out, &format!("client_secret  {secret}"))
}

async fn list(auth: &AuthService, out: &mut impl Write) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let page = auth.list_services(after, PAGE).await?;
        for service in &page {
            print(out, &as_text(service))?;
        }
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
    }
}

fn as_text(service: &Service) -> String {
    let permissions: Vec<&str> = service.permissions.iter().map(PermissionName::as_str).collect();
    format!("{}  {}  {}", service.id, service.name, permissions.join(","))
}
