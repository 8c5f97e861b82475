-- Usage: one row per account, from days of product use. Only whole days count, so a morning is no drop.
WITH source AS (
    SELECT account_id,
        max(state) FILTER ("table" = 'account') = 'observed' AS account_readable,
        max(state) FILTER ("table" = 'subscription') = 'observed' AS subscription_readable,
        max(state) FILTER ("table" = 'usage_day') = 'observed' AS readable,
        max(observed_from) FILTER ("table" = 'usage_day')::DATE AS observed_from
    FROM account_source WHERE "table" IN ('account', 'subscription', 'usage_day') GROUP BY account_id
),
used AS (
    -- A window without a single day was silent: 0. One whose days do not tell a number is unknown: NULL.
    SELECT account_id,
        count(logins) > 0 AS has_logins,
        CASE WHEN bool_or(is_recent) THEN sum(logins) FILTER (is_recent) ELSE 0 END AS logins,
        CASE WHEN bool_or(is_before) THEN sum(logins) FILTER (is_before) ELSE 0 END AS logins_before,
        count(active_users) > 0 AS has_users,
        CASE WHEN bool_or(is_recent) THEN sum(active_users) FILTER (is_recent) ELSE 0 END AS users,
        CASE WHEN bool_or(is_before) THEN sum(active_users) FILTER (is_before) ELSE 0 END AS users_before,
        CASE WHEN bool_or(is_recent) THEN max(active_users) FILTER (is_recent) ELSE 0 END AS peak_users,
        count(events) > 0 AS has_events,
        CASE WHEN bool_or(is_recent) THEN sum(events) FILTER (is_recent) ELSE 0 END AS events,
        CASE WHEN bool_or(is_before) THEN sum(events) FILTER (is_before) ELSE 0 END AS events_before,
        count(features_used) > 0 AS has_features,
        CASE WHEN bool_or(is_recent) THEN len(list_distinct(flatten(list(features_used) FILTER (is_recent AND features_used IS NOT NULL)))) ELSE 0 END AS features,
        count(coalesce(logins, active_users, events)) > 0 AS has_activity,
        max(day) FILTER (logins > 0 OR active_users > 0 OR events > 0) AS last_active
    FROM (
        SELECT *, day >= $usage_recent_start AND day < $usage_end AS is_recent,
            day >= $usage_previous_start AND day < $usage_recent_start AS is_before
        FROM usage_day WHERE day <= $today
    ) GROUP BY account_id
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
        CASE WHEN s.account_readable AND a.licensed_seats IS NOT NULL THEN a.licensed_seats
            WHEN s.subscription_readable THEN l.seats END AS seats,
        coalesce(a.customer_since > $today, false) AS not_yet_a_customer,
        greatest(s.observed_from, coalesce(a.customer_since, s.observed_from)) AS watched_from
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
    CASE WHEN recent_seen AND has_users THEN 100.0 * peak_users / nullif(seats, 0) END AS seat_utilisation_pct,
    new_recently OR seats = 0 AS seat_utilisation_pct_na,
    CASE WHEN readable AND coalesce(has_activity, true) AND coalesce(last_active, watched_from) <= $today
        THEN date_diff('day', coalesce(last_active, watched_from), $today) END AS days_since_last_activity,
    not_yet_a_customer AND last_active IS NULL AS days_since_last_activity_na,
    readable AND last_active IS NULL AS days_since_last_activity_at_least,
    CASE WHEN recent_seen AND has_features THEN features END AS features_adopted,
    new_recently AS features_adopted_na
FROM facts
