-- What each source holds for each account as of the asked instant: its state, rows, first and last, rows that contradict others.
WITH held AS (
    SELECT 'account' AS "table", delivery, account_id, updated_at AS dated, doubt, false AS undated FROM account
    UNION ALL SELECT 'subscription', delivery, account_id, started_at, doubt, false FROM subscription
    UNION ALL SELECT 'ticket', delivery, account_id, opened_at, doubt, solved_at IS NULL AND coalesce(status, '') IN ('solved', 'closed') FROM ticket
    UNION ALL SELECT 'usage_day', delivery, account_id, day::TIMESTAMP, doubt, false FROM usage_day
    UNION ALL SELECT 'invoice', delivery, account_id, issued_at, doubt, paid_at IS NULL AND coalesce(status, '') IN ('paid', 'void') FROM invoice
    UNION ALL SELECT 'survey_response', delivery, account_id, responded_at, doubt, false FROM survey_response
    UNION ALL SELECT 'touchpoint', delivery, account_id, "at", doubt, false FROM touchpoint
    UNION ALL SELECT 'opportunity', delivery, account_id, created_at, doubt, close_date IS NULL AND stage_kind <> 'open' FROM opportunity
    UNION ALL SELECT 'metric_value', delivery, account_id, as_of, doubt, false FROM metric_value
),
judged AS (
    SELECT h."table", h.delivery, h.account_id, h.dated, h.undated,
        coalesce(h.doubt, CASE WHEN h."table" IN ('ticket', 'usage_day', 'invoice', 'survey_response')
            AND h.dated < a.customer_since THEN 'dated before the account became a customer' END) AS doubt
    FROM held h JOIN account a USING (account_id)
    WHERE h."table" = 'account' OR h.dated IS NULL OR h.dated < $as_of OR (h."table" = 'metric_value' AND h.dated = $as_of)
),
counted AS (
    SELECT account_id, delivery, "table", count(*) AS rows, min(dated) AS first_at, max(dated) AS last_at,
        count(doubt) AS doubtful, count(*) FILTER (undated) AS undated, list_sort(list_distinct(list(doubt) FILTER (doubt IS NOT NULL)))[1:3] AS doubts
    FROM judged GROUP BY account_id, delivery, "table"
)
SELECT s.account_id, s.delivery, s."table", s.state, s.observed_from,
    coalesce(c.rows, 0) AS rows, c.first_at, c.last_at, coalesce(c.doubtful, 0) AS doubtful, c.doubts, coalesce(c.undated, 0) AS undated
FROM source_state s LEFT JOIN counted c
    ON c.account_id = s.account_id AND c.delivery = s.delivery AND c."table" = s."table"
ORDER BY s.account_id, s.delivery
