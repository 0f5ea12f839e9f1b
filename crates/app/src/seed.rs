use anyhow::{Context, anyhow};
use maestro_auth_domain::{
    DisplayName, Email, NewPassword, Password, PasswordPolicy, RoleName, Roles, Violation,
};
use maestro_auth_service::{AuthService, FirstAdmin, NewAccount};

use crate::config::{BootstrapSettings, ConfigError, Profile, Settings};
use crate::failure::Failure;

/// The admin of the development profile, whose password everybody knows.
const DEVELOPMENT_ADMIN: (&str, &str) = ("admin@maestro.ml", "admin123");
const ADMIN_NAME: &str = "Administrator";

/// Makes the first admin of an empty storage, and keeps the one of the development profile out of production.
pub(crate) async fn seed(settings: &Settings, auth: &AuthService) -> Result<(), Failure> {
    match settings.profile {
        Profile::Development => tracing::warn!(
            "DEVELOPMENT PROFILE: its defaults are unsafe, such as the known password of {}; never let others reach this server",
            DEVELOPMENT_ADMIN.0
        ),
        Profile::Production => refuse_development_admin(auth).await?,
    }
    let admin = match bootstrap_admin(&settings.bootstrap, auth.passwords())? {
        Some(admin) => admin,
        None if settings.profile == Profile::Development && is_empty(auth).await? => development_admin()?,
        None => return Ok(()),
    };
    let email = admin.email.clone();
    match auth.ensure_first_admin(admin).await.context("the first admin was not made")? {
        FirstAdmin::Created => tracing::info!("made the first admin, {email}"),
        FirstAdmin::AdminExists => {}
        FirstAdmin::EmailTaken => {
            tracing::warn!("there is no admin, and {email} is an account without that role; made none");
        }
    }
    Ok(())
}

/// SEC-114: a storage that was used for development goes into production only without its known password.
async fn refuse_development_admin(auth: &AuthService) -> Result<(), Failure> {
    let (email, password) = development_credentials().map_err(|violation| anyhow!(violation))?;
    if auth.is_admin_password(&email, password).await.context("the storage can't be checked")? {
        let why = format!(
            "production is refused while {email} has the password of the development profile; \
             change it with `maestro-auth user set-password --email {email}`"
        );
        return Err(ConfigError::about("profile", &why).into());
    }
    Ok(())
}

async fn is_empty(auth: &AuthService) -> Result<bool, Failure> {
    Ok(auth.has_users().await.map(|has| !has)?)
}

fn bootstrap_admin(
    settings: &BootstrapSettings,
    policy: &PasswordPolicy,
) -> Result<Option<NewAccount>, Failure> {
    let (Some(email), Some(password)) = (&settings.admin_email, &settings.admin_password) else {
        return Ok(None);
    };
    let name = match &settings.admin_name {
        Some(name) => name.clone(),
        None => DisplayName::from_stored(ADMIN_NAME.to_owned()),
    };
    let accepted = Password::parse(password.expose())
        .and_then(|password| policy.accept(password, Some(email), Some(&name)))
        .map_err(|violation| ConfigError::about("bootstrap.admin_password", violation.detail))?;
    Ok(Some(admin(email.clone(), name, accepted)))
}

fn development_admin() -> Result<NewAccount, Failure> {
    let lenient =
        PasswordPolicy { min_length: 8, blocklist: false, max_bytes: PasswordPolicy::BCRYPT_MAX_BYTES };
    let account = development_credentials().and_then(|(email, password)| {
        let password = lenient.accept(password, None, None)?;
        Ok(admin(email, DisplayName::parse(ADMIN_NAME)?, password))
    });
    Ok(account.map_err(|violation| anyhow!(violation))?)
}

fn development_credentials() -> Result<(Email, Password), Violation> {
    Ok((Email::parse(DEVELOPMENT_ADMIN.0)?, Password::parse(DEVELOPMENT_ADMIN.1)?))
}

fn admin(email: Email, name: DisplayName, password: NewPassword) -> NewAccount {
    NewAccount { email, name, password, roles: Roles::single(RoleName::admin()) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use maestro_auth_domain::{User, UserFilter};
    use maestro_auth_service::Caller;

    use super::*;
    use crate::wire;

    /// A store in memory, under the development profile.
    async fn development() -> (Settings, Arc<AuthService>) {
        let url = ("DATABASE_URL".to_owned(), "memory:".to_owned());
        let settings = Settings::from_sources(&[], &[url]).unwrap();
        let auth = wire::build(&settings, wire::Purpose::Serve).await.unwrap().auth;
        (settings, auth)
    }

    /// Makes an account that has the password of the development admin, but is none.
    async fn register(auth: &AuthService, email: &str) {
        let email = Email::parse(email).unwrap();
        let roles = Roles::single(RoleName::viewer());
        let account = NewAccount { email, roles, ..development_admin().unwrap() };
        auth.create_user(&Caller::operator(), account).await.unwrap();
    }

    async fn users(auth: &AuthService) -> Vec<User> {
        let (views, _) =
            auth.list_users(&Caller::operator(), &UserFilter::default(), None, 10).await.unwrap();
        views.into_iter().map(|view| view.user).collect()
    }

    #[actix_web::test]
    async fn development_makes_its_admin_on_an_empty_store_only() {
        let (settings, auth) = development().await;
        seed(&settings, &auth).await.unwrap();
        seed(&settings, &auth).await.unwrap();
        let accounts = users(&auth).await;
        assert_eq!(accounts.len(), 1);
        assert!(accounts[0].roles.contains(&RoleName::admin()));

        let (settings, auth) = development().await;
        register(&auth, "ada@example.org").await;
        seed(&settings, &auth).await.unwrap();
        assert_eq!(users(&auth).await.len(), 1);
    }

    #[actix_web::test]
    async fn sec_114_production_refuses_the_development_admin_and_lets_no_stranger_stop_it() {
        let (settings, auth) = development().await;
        seed(&settings, &auth).await.unwrap();
        assert!(refuse_development_admin(&auth).await.is_err());

        let (_, auth) = development().await;
        register(&auth, DEVELOPMENT_ADMIN.0).await;
        refuse_development_admin(&auth).await.unwrap();
    }
}
