-- Usage: one row per account, from days of product use. Only whole days count, so a morning is no drop.
WITH source AS (
    SELECT account_id, state = 'observed' AS readable, observed_from::DATE AS observed_from
    FROM account_source WHERE "table" = 'usage_day'
),
used AS (
    SELECT account_id,
        count(logins) > 0 AS has_logins,
        coalesce(sum(logins) FILTER (day >= $usage_recent_start AND day < $usage_end), 0) AS logins,
        coalesce(sum(logins) FILTER (day >= $usage_previous_start AND day < $usage_recent_start), 0) AS logins_before,
        count(active_users) > 0 AS has_users,
        coalesce(sum(active_users) FILTER (day >= $usage_recent_start AND day < $usage_end), 0) AS users,
        coalesce(sum(active_users) FILTER (day >= $usage_previous_start AND day < $usage_recent_start), 0) AS users_before,
        coalesce(max(active_users) FILTER (day >= $usage_recent_start AND day < $usage_end), 0) AS peak_users,
        count(events) > 0 AS has_events,
        coalesce(sum(events) FILTER (day >= $usage_recent_start AND day < $usage_end), 0) AS events,
        coalesce(sum(events) FILTER (day >= $usage_previous_start AND day < $usage_recent_start), 0) AS events_before,
        count(features_used) > 0 AS has_features,
        flatten(list(features_used) FILTER (day >= $usage_recent_start AND day < $usage_end)) AS features,
        max(day) FILTER (logins > 0 OR active_users > 0 OR events > 0) AS last_active
    FROM usage_day WHERE day <= $today GROUP BY account_id
),
licensed AS (
    SELECT account_id, sum(seats) AS seats
    FROM subscription WHERE started_at < $as_of AND (ended_at IS NULL OR ended_at >= $as_of) GROUP BY account_id
),
facts AS (
    SELECT a.account_id, u.* EXCLUDE (account_id),
        s.readable AND s.observed_from <= $usage_previous_start AS both_seen,
        s.readable AND s.observed_from <= $usage_recent_start AS recent_seen,
        coalesce(a.customer_since > $usage_previous_start, false) AS new_before,
        coalesce(a.customer_since > $usage_recent_start, false) AS new_recently,
        coalesce(s.readable, false) AS readable,
        nullif(coalesce(a.licensed_seats, l.seats), 0) AS seats,
        greatest(s.observed_from, coalesce(a.customer_since, s.observed_from)) AS watched_from,
        coalesce(a.customer_since >= s.observed_from, false) AS watched_throughout
    FROM account a
    LEFT JOIN source s ON s.account_id = a.account_id
    LEFT JOIN used u ON u.account_id = a.account_id
    LEFT JOIN licensed l ON l.account_id = a.account_id
)
SELECT account_id,
    CASE WHEN both_seen AND has_logins THEN 100.0 * (logins - logins_before) / nullif(logins_before, 0) END AS logins_change_pct,
    new_before OR (both_seen AND has_logins AND logins_before = 0) AS logins_change_pct_na,
    CASE WHEN both_seen AND has_users THEN 100.0 * (users - users_before) / nullif(users_before, 0) END AS active_users_change_pct,
    new_before OR (both_seen AND has_users AND users_before = 0) AS active_users_change_pct_na,
    CASE WHEN both_seen AND has_events THEN 100.0 * (events - events_before) / nullif(events_before, 0) END AS feature_use_change_pct,
    new_before OR (both_seen AND has_events AND events_before = 0) AS feature_use_change_pct_na,
    CASE WHEN recent_seen AND has_users THEN 100.0 * peak_users / seats END AS seat_utilisation_pct,
    new_recently AS seat_utilisation_pct_na,
    CASE WHEN readable THEN date_diff('day', coalesce(last_active, watched_from), $today) END AS days_since_last_activity,
    readable AND last_active IS NULL AND NOT watched_throughout AS days_since_last_activity_at_least,
    CASE WHEN recent_seen AND has_features THEN coalesce(len(list_distinct(features)), 0) END AS features_adopted,
    new_recently AS features_adopted_na
FROM facts
