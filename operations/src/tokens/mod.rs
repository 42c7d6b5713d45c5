//! Bearer tokens: made by a member, limited to scopes, known to EventOS only as a hash.
//!
//! Owns `api_token`. Operations: `create_token`, `list_tokens`, `revoke_token`, none of them for models.
//! Changes: `token.created`, `token.revoked`. [`Authenticator`] turns a token into a context;
//! surfaces ask it through [`Tokens`].

mod authenticate;
pub mod changes;
mod create_token;
mod credentials;
mod limits;
mod list_tokens;
mod revoke_token;
mod sql;

pub use authenticate::{Authenticator, Grant};
pub use create_token::{CreateToken, CreateTokenError, NewToken};
pub use credentials::{Credentials, Refusal, Tokens, bearer};
pub use limits::Limits;
pub use list_tokens::{ListTokens, TokenList, TokenRecord};
pub use revoke_token::{RevokeToken, RevokedToken};
