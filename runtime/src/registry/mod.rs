//! Control data: projects, tables, policies, functions, versions, deployments, schedules. The only module with control-plane SQL.
