use maestro_auth_domain::RoleName;

use super::Profile;
use super::reader::Reader;
use super::value::choice;

choice! {
    /// Who may register.
    RegistrationMode, "open, verified or closed", {
        Open = "open",
        /// Whoever proves the address, which takes mail.
        Verified = "verified",
        Closed = "closed",
    }
}

/// Who may register, and as what.
#[derive(Debug, Clone)]
pub struct RegistrationSettings {
    pub mode: RegistrationMode,
    pub self_assignable_roles: Vec<RoleName>,
}

impl RegistrationSettings {
    pub(super) fn read(reader: &mut Reader, profile: Profile) -> Self {
        let mode = profile.pick(RegistrationMode::Open, RegistrationMode::Closed);
        Self {
            mode: reader.get("registration.mode", mode),
            self_assignable_roles: reader
                .list("registration.self_assignable_roles", vec![RoleName::viewer()]),
        }
    }

    pub(super) fn check(&self, reader: &mut Reader) {
        if self.mode == RegistrationMode::Verified {
            reader.refuse(
                "registration.mode",
                "verified needs mail, which this version does not send yet; use open or closed",
            );
        }
        if self.self_assignable_roles.contains(&RoleName::admin()) {
            reader.refuse("registration.self_assignable_roles", "nobody registers as admin");
        }
    }
}

/// Rate limits. Nothing is limited yet.
#[derive(Debug, Clone)]
pub struct RateLimitSettings {
    pub enabled: bool,
}

impl RateLimitSettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self { enabled: reader.get("rate_limit.enabled", true) }
    }
}
