-- Support load: one row per account, from tickets as they stood at the asked instant.
WITH source AS (
    SELECT account_id,
        max(state) FILTER ("table" = 'account') = 'observed' AS account_readable,
        max(state) FILTER ("table" = 'subscription') = 'observed' AS subscription_readable,
        max(state) FILTER ("table" = 'ticket') IN ('observed', 'empty') AS readable,
        max(observed_from) FILTER ("table" = 'ticket') AS observed_from
    FROM account_source WHERE "table" IN ('account', 'subscription', 'ticket') GROUP BY account_id
),
counted AS (
    SELECT account_id,
        count(*) FILTER (opened_at >= $recent_start) AS tickets,
        count(*) FILTER (opened_at >= $previous_start AND opened_at < $recent_start) AS tickets_before,
        count(*) FILTER (is_open AND priority = 'urgent') AS urgent,
        list(ticket_id ORDER BY opened_at DESC, ticket_id) FILTER (is_open AND priority = 'urgent') AS urgent_ids,
        count(*) FILTER (escalated_at >= $recent_start) AS escalations,
        count(*) FILTER (escalated_at >= $previous_start AND escalated_at < $recent_start) AS escalations_before,
        count(*) FILTER (escalated_at >= $quarter_start) AS escalations_quarter,
        max(escalated_at) FILTER (escalated_at >= $quarter_start) AS escalated_last,
        list(ticket_id ORDER BY escalated_at DESC, ticket_id) FILTER (escalated_at >= $quarter_start) AS escalated_ids,
        count(*) FILTER (is_open AND escalated_at IS NOT NULL) AS escalations_open,
        list(ticket_id ORDER BY escalated_at DESC, ticket_id) FILTER (is_open AND escalated_at IS NOT NULL) AS open_escalated_ids,
        min(escalated_at) FILTER (is_open) AS open_escalated_since,
        list(ticket_id ORDER BY opened_at DESC, ticket_id) FILTER (opened_at >= $recent_start) AS ticket_ids,
        list(ticket_id ORDER BY escalated_at DESC, ticket_id) FILTER (escalated_at >= $recent_start) AS escalation_ids,
        100.0 * avg((reopened_count > 0)::INT) FILTER (solved_recently) AS reopen_rate,
        median(epoch(solved_at - opened_at) / 3600) FILTER (solved_recently AND solved_at >= opened_at) AS resolution_hours,
        count(*) FILTER (solved_recently) AS solved
    FROM (
        SELECT ticket_id, account_id, opened_at, solved_at, priority, reopened_count,
            CASE WHEN escalated_at < $as_of THEN escalated_at END AS escalated_at,
            CASE WHEN solved_at IS NULL THEN coalesce(status, '') NOT IN ('solved', 'closed') ELSE solved_at >= $as_of END AS is_open,
            coalesce(solved_at >= $quarter_start AND solved_at < $as_of, false) AS solved_recently
        FROM ticket WHERE opened_at < $as_of
    )
    GROUP BY account_id
),
licensed AS (
    SELECT account_id, sum(seats) AS seats
    FROM subscription WHERE started_at < $as_of AND (ended_at IS NULL OR ended_at >= $as_of) GROUP BY account_id
),
facts AS (
    SELECT a.account_id,
        coalesce(c.tickets, 0) AS tickets, coalesce(c.tickets_before, 0) AS tickets_before,
        coalesce(c.urgent, 0) AS urgent, c.urgent_ids,
        coalesce(c.escalations, 0) AS escalations, coalesce(c.escalations_before, 0) AS escalations_before,
        coalesce(c.escalations_quarter, 0) AS escalations_quarter, c.escalated_last, c.escalated_ids,
        coalesce(c.escalations_open, 0) AS escalations_open, c.open_escalated_ids, c.open_escalated_since,
        c.ticket_ids, c.escalation_ids,
        c.reopen_rate, c.resolution_hours, coalesce(c.solved, 0) AS solved,
        coalesce(s.readable AND local_day(s.observed_from, $time_zone) <= $today, false) AS readable,
        s.readable AND s.observed_from <= $previous_start AS both_seen,
        s.readable AND s.observed_from <= $recent_start AS recent_seen,
        s.readable AND s.observed_from <= $quarter_start AS quarter_seen,
        coalesce(a.customer_since > $previous_day, false) AS new_before,
        coalesce(a.customer_since > $recent_day, false) AS new_recently,
        -- What was watched only in part since the customer came is unknown, not inapplicable: it must not clear a flag.
        coalesce(s.readable AND a.customer_since > $quarter_day
            AND a.customer_since >= local_day(s.observed_from, $time_zone), false) AS new_and_watched,
        CASE WHEN s.account_readable AND a.licensed_seats IS NOT NULL THEN a.licensed_seats
            WHEN s.subscription_readable THEN l.seats END AS seats
    FROM account a
    LEFT JOIN source s ON s.account_id = a.account_id
    LEFT JOIN counted c ON c.account_id = a.account_id
    LEFT JOIN licensed l ON l.account_id = a.account_id
)
SELECT account_id,
    CASE WHEN both_seen THEN tickets / nullif(tickets_before, 0) END AS tickets_change_ratio,
    new_before OR (both_seen AND tickets_before = 0) AS tickets_change_ratio_na,
    CASE WHEN recent_seen THEN 100.0 * tickets / nullif(seats, 0) END AS tickets_per_100_seats_30d,
    new_recently OR seats = 0 AS tickets_per_100_seats_30d_na,
    CASE WHEN readable THEN urgent END AS open_urgent_tickets,
    urgent AS open_urgent_tickets_seen,
    urgent_ids AS open_urgent_tickets_ids,
    CASE WHEN quarter_seen THEN escalations_quarter END AS escalations_90d,
    new_and_watched AND escalations_quarter = 0 AS escalations_90d_na,
    escalations_quarter AS escalations_90d_seen,
    escalated_ids AS escalations_90d_ids,
    escalated_last AS escalations_90d_on,
    CASE WHEN quarter_seen THEN reopen_rate END AS reopen_rate_90d,
    (quarter_seen OR new_and_watched) AND solved = 0 AS reopen_rate_90d_na,
    CASE WHEN quarter_seen THEN resolution_hours END AS median_resolution_hours_90d,
    (quarter_seen OR new_and_watched) AND solved = 0 AS median_resolution_hours_90d_na,
    CASE WHEN recent_seen THEN tickets END AS tickets_30d,
    tickets AS tickets_30d_seen,
    CASE WHEN both_seen THEN tickets_before END AS tickets_prev_30d,
    CASE WHEN recent_seen THEN escalations END AS escalations_30d,
    escalations AS escalations_30d_seen,
    CASE WHEN both_seen THEN escalations_before END AS escalations_prev_30d,
    CASE WHEN readable THEN escalations_open END AS open_escalations,
    escalations_open AS open_escalations_seen,
    open_escalated_ids AS open_escalations_ids,
    open_escalated_since AS open_escalations_on,
    ticket_ids AS tickets_30d_ids,
    escalation_ids AS escalations_30d_ids
FROM facts
