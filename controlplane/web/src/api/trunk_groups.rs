//! Trunk groups: egress trunks that stand in plans as one route.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use store::{GroupDraft, Stored};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{May, rights};
use crate::extract::{Body, Key, Patch, Query};
use crate::names::Names;
use crate::object::{self, Shown, Tagged, set};
use crate::page::{List, Page};
use crate::problem::Answered;
use crate::services::App;
use crate::value::{EgressTrunkRef, Named, Time, TrunkGroupRef};

/// One trunk of a group.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct GroupMember {
    /// The trunk.
    pub egress_trunk: Named<EgressTrunkRef>,
    /// Higher first.
    pub priority: i16,
    /// Its share among members of the same priority, 0 to 1,000; 0 comes after all others.
    pub weight: u16,
    /// Nodes of its site: there it comes before members of other sites, whatever the priority.
    pub nodes: Vec<u16>,
}

/// One trunk of a group to be made or changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupMemberNew {
    /// The trunk.
    pub egress_trunk: EgressTrunkRef,
    /// Higher first.
    #[serde(default)]
    #[schema(minimum = -32768, maximum = 32767)]
    pub priority: i16,
    /// Its share among members of the same priority, 0 to 1,000; 0 comes after all others, default 1.
    #[schema(maximum = 1000)]
    pub weight: Option<u16>,
    /// Nodes of its site: there it comes before members of other sites, whatever the priority.
    #[serde(default)]
    pub nodes: Vec<u16>,
}

/// Egress trunks that stand in plans as one route.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TrunkGroup {
    /// Its id.
    pub id: TrunkGroupRef,
    /// The short name that operators use, unique.
    pub code: String,
    /// Its trunks.
    pub members: Vec<GroupMember>,
    /// When it was last changed.
    pub updated_at: Time,
}

/// A trunk group to be made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrunkGroupNew {
    /// The short name, unique.
    #[schema(min_length = 1, max_length = 64, pattern = "^[0-9A-Za-z_-][0-9A-Za-z._-]*$")]
    pub code: String,
    /// Its trunks, 1 to 64.
    pub members: Vec<GroupMemberNew>,
}

/// Changes of a trunk group; absent fields stay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrunkGroupPatch {
    /// The short name.
    #[schema(min_length = 1, max_length = 64, pattern = "^[0-9A-Za-z_-][0-9A-Za-z._-]*$")]
    pub code: Option<String>,
    /// Its trunks; replaces all.
    pub members: Option<Vec<GroupMemberNew>>,
}

/// The paths of trunk groups.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(read, update, delete))
}

/// Lists trunk groups in order of id.
#[utoipa::path(get, path = "/api/v1/trunk-groups", tag = "trunk groups", params(Page),
    responses((status = 200, description = "A part of the list.", body = List<TrunkGroup>)))]
async fn list(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Query(page): Query<Page>,
) -> Answered<Json<List<TrunkGroup>>> {
    object::list(&app, &page, None).await
}

/// Reads one trunk group.
#[utoipa::path(get, path = "/api/v1/trunk-groups/{id}", tag = "trunk groups", params(("id" = TrunkGroupRef, Path)),
    responses((status = 200, description = "It, with its ETag.", body = TrunkGroup)))]
async fn read(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Key(id): Key<TrunkGroupRef>,
) -> Answered<Tagged<TrunkGroup>> {
    object::read(&app, id.0).await
}

/// Makes a trunk group.
#[utoipa::path(post, path = "/api/v1/trunk-groups", tag = "trunk groups", request_body = TrunkGroupNew,
    responses((status = 201, description = "It, with its ETag.", body = TrunkGroup)))]
async fn create(
    caller: May<rights::Write>,
    State(app): State<App>,
    Body(new): Body<TrunkGroupNew>,
) -> Answered<Tagged<TrunkGroup>> {
    object::create(&app, &caller, new.draft()).await
}

/// Changes a trunk group.
#[utoipa::path(patch, path = "/api/v1/trunk-groups/{id}", tag = "trunk groups", request_body = TrunkGroupPatch,
    params(("id" = TrunkGroupRef, Path), ("if-match" = String, Header, description = "The ETag that was read.")),
    responses((status = 200, description = "It as it stands then.", body = TrunkGroup)))]
async fn update(
    caller: May<rights::Write>,
    State(app): State<App>,
    Key(id): Key<TrunkGroupRef>,
    headers: HeaderMap,
    Patch(patch): Patch<TrunkGroupPatch>,
) -> Answered<Tagged<TrunkGroup>> {
    object::update(&app, &caller, id.0, &headers, |draft| patch.patch(draft)).await
}

/// Deletes a trunk group that nothing refers to.
#[utoipa::path(delete, path = "/api/v1/trunk-groups/{id}", tag = "trunk groups",
    params(("id" = TrunkGroupRef, Path), ("if-match" = String, Header, description = "The ETag that was read.")),
    responses((status = 204, description = "Gone.")))]
async fn delete(
    caller: May<rights::Write>,
    State(app): State<App>,
    Key(id): Key<TrunkGroupRef>,
    headers: HeaderMap,
) -> Answered<StatusCode> {
    object::delete::<TrunkGroup>(&app, &caller, id.0, &headers).await
}

impl Shown for TrunkGroup {
    type Draft = GroupDraft;

    fn show(stored: &Stored<GroupDraft>, names: &Names) -> TrunkGroup {
        let member = |member: &snapshot::GroupMember| GroupMember {
            egress_trunk: names.egress_trunk(member.egress_trunk.0),
            priority: member.priority,
            weight: member.weight,
            nodes: member.nodes.clone(),
        };
        TrunkGroup {
            id: TrunkGroupRef(stored.id),
            code: stored.code.clone(),
            members: stored.members.iter().map(member).collect(),
            updated_at: Time(stored.updated),
        }
    }

    fn key(id: u32) -> String {
        TrunkGroupRef(id).to_string()
    }
}

impl From<GroupMemberNew> for snapshot::GroupMember {
    fn from(member: GroupMemberNew) -> snapshot::GroupMember {
        let GroupMemberNew { egress_trunk, priority, weight, nodes } = member;
        snapshot::GroupMember { egress_trunk: egress_trunk.into(), priority, weight: weight.unwrap_or(1), nodes }
    }
}

impl TrunkGroupNew {
    fn draft(self) -> GroupDraft {
        GroupDraft { code: self.code, members: self.members.into_iter().map(Into::into).collect() }
    }
}

impl TrunkGroupPatch {
    fn patch(self, draft: &mut GroupDraft) -> Answered<()> {
        set(&mut draft.code, self.code);
        set(&mut draft.members, self.members.map(|members| members.into_iter().map(Into::into).collect()));
        Ok(())
    }
}
