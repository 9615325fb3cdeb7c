//! All tables of a project with all their policies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::checked::{CheckedPolicy, check_policy_with_claims};
use super::fault::{PolicyError, PolicyFault};
use super::{Claims, PolicySource, columns};
use crate::expr::{Claim, Node};
use crate::names::{ColumnName, TableName};
use crate::reach;
use crate::resource::Resource;
use crate::shape::TableShape;

/// One table and the policies that guard it.
#[derive(Debug, Clone)]
pub struct TableRules {
    pub(crate) shape: Arc<TableShape>,
    pub(crate) policies: Vec<CheckedPolicy>,
    pub(crate) policy_readable: bool,
}

impl TableRules {
    /// The table's shape.
    pub fn shape(&self) -> &TableShape {
        &self.shape
    }

    /// Whether policies read it past its own policies, as its definer would.
    pub fn policy_readable(&self) -> bool {
        self.policy_readable
    }

    /// The columns that its policies compare with `auth.uid()`: they say whose a row is.
    pub fn owner_columns(&self) -> BTreeSet<ColumnName> {
        let mut found = BTreeSet::new();
        let conditions = self.policies.iter().flat_map(|policy| &policy.using);
        for condition in conditions {
            condition.0.visit(&mut |node| {
                if let Node::Compare { left, right, .. } | Node::Distinct { left, right } = node {
                    found.extend(owner(left, right).or_else(|| owner(right, left)));
                }
            });
        }
        found
    }

    /// The enabled policies of the table.
    pub fn policies(&self) -> &[CheckedPolicy] {
        &self.policies
    }
}

fn owner(column: &Node, subject: &Node) -> Option<ColumnName> {
    match (column, subject) {
        (
            Node::Column { name, level: 0, .. },
            Node::Claim {
                claim: Claim::Uid, ..
            },
        ) => Some(name.clone()),
        _ => None,
    }
}

/// All tables of a project with all their policies, checked. Made once per change, then only read.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    tables: BTreeMap<TableName, TableRules>,
    resources: BTreeMap<TableName, TableRules>,
    claims: Claims,
}

impl Schema {
    /// Checks every enabled policy. Disabled ones are left out.
    ///
    /// # Errors
    /// Every [`PolicyError`] there is, not only the first.
    pub fn build(
        tables: Vec<TableShape>,
        policies: Vec<PolicySource>,
    ) -> Result<Self, Vec<PolicyError>> {
        Self::build_with_claims(tables, policies, Claims::default())
    }

    /// The same for a project that declares its claims.
    ///
    /// # Errors
    /// Every [`PolicyError`] there is, not only the first.
    pub fn build_with_claims(
        tables: Vec<TableShape>,
        policies: Vec<PolicySource>,
        claims: Claims,
    ) -> Result<Self, Vec<PolicyError>> {
        Self::build_reading(tables, policies, claims, &BTreeSet::new())
    }

    /// The same, where subqueries of policies read the `policy_readable` tables past these tables'
    /// own policies. Whoever asks for rows of one is under them as ever.
    ///
    /// # Errors
    /// Every [`PolicyError`] there is, not only the first.
    pub fn build_reading(
        tables: Vec<TableShape>,
        policies: Vec<PolicySource>,
        claims: Claims,
        policy_readable: &BTreeSet<TableName>,
    ) -> Result<Self, Vec<PolicyError>> {
        let mut errors = Vec::new();
        let mut checked: BTreeMap<TableName, Vec<CheckedPolicy>> = BTreeMap::new();
        for source in policies.iter().filter(|source| source.enabled) {
            match check_policy_with_claims(source, &tables, &claims) {
                Ok(policy) => checked
                    .entry(source.table.clone())
                    .or_default()
                    .push(policy),
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let with_rules = |shape: TableShape| {
            let policies = checked.remove(&shape.name).unwrap_or_default();
            (
                shape.name.clone(),
                TableRules {
                    policy_readable: policy_readable.contains(&shape.name),
                    shape: Arc::new(shape),
                    policies,
                },
            )
        };
        let resources = Resource::ALL.into_iter().map(Resource::shape);
        let mut guarded: BTreeMap<_, _> = resources.chain(tables).map(with_rules).collect();
        errors.extend(reach::check(&guarded));
        errors.extend(guarded.values().flat_map(clashes));
        let resources = guarded.extract_if(.., |name, _| Resource::of(name).is_some());
        let resources = resources.collect();
        if errors.is_empty() {
            Ok(Self {
                tables: guarded,
                resources,
                claims,
            })
        } else {
            Err(errors)
        }
    }

    /// The rules of one table, or of a resource.
    pub fn table(&self, name: &TableName) -> Option<&TableRules> {
        self.tables.get(name).or_else(|| self.resources.get(name))
    }

    /// What is guarded and no table, by name.
    pub fn resources(&self) -> impl Iterator<Item = &TableRules> {
        self.resources.values()
    }

    /// All tables, by name.
    pub fn tables(&self) -> impl Iterator<Item = &TableRules> {
        self.tables.values()
    }

    /// The claims that the project declares.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }
}

/// The pairs of policies that set one column to two things. The later of each pair is named wrong.
fn clashes(rules: &TableRules) -> Vec<PolicyError> {
    let mut errors = Vec::new();
    for (index, policy) in rules.policies.iter().enumerate() {
        for earlier in rules.policies.iter().take(index) {
            let clash = columns::clash(
                (&policy.source, &policy.columns),
                (&earlier.source, &earlier.columns),
            );
            errors.extend(clash.map(|column| PolicyError {
                id: policy.source.id,
                name: policy.source.name.clone(),
                fault: PolicyFault::PresetClash {
                    column: column.clone(),
                    other: earlier.source.name.clone(),
                },
            }));
        }
    }
    errors
}
