-- Satisfaction: one row per account, from survey answers and rated tickets, each on its own scale.
WITH survey_source AS (
    SELECT account_id, state = 'observed' AS readable, observed_from
    FROM account_source WHERE "table" = 'survey_response'
),
ticket_source AS (
    SELECT account_id, state = 'observed' AS readable, observed_from
    FROM account_source WHERE "table" = 'ticket'
),
latest AS (
    SELECT account_id, response_id, responded_at, 10.0 * (score - scale_low) / nullif(scale_high - scale_low, 0) AS score
    FROM survey_response WHERE kind = 'nps' AND responded_at < $as_of
    QUALIFY row_number() OVER (PARTITION BY account_id, respondent ORDER BY responded_at DESC, score, response_id) = 1
),
nps AS (
    SELECT account_id,
        avg(score) FILTER (responded_at >= $survey_start) AS mean,
        min(score) FILTER (responded_at >= $survey_start) AS lowest,
        max(responded_at) AS newest,
        list(response_id ORDER BY responded_at DESC, response_id) FILTER (responded_at >= $survey_start) AS ids,
        first(responded_at ORDER BY score, responded_at DESC) FILTER (responded_at >= $survey_start) AS lowest_at,
        list(response_id ORDER BY score, response_id) FILTER (responded_at >= $survey_start)[1:1] AS lowest_ids,
        avg(score) AS mean_ever,
        min(score) AS lowest_ever
    FROM latest GROUP BY account_id
),
ratings AS (
    SELECT r.account_id, avg(r.rating) AS mean
    FROM (
        SELECT t.account_id, (t.csat - t.csat_low) / nullif(t.csat_high - t.csat_low, 0) AS rating
        FROM ticket t JOIN ticket_source s USING (account_id)
        WHERE s.readable AND s.observed_from <= $quarter_start
            AND t.opened_at < $as_of AND coalesce(t.solved_at, t.opened_at) >= $quarter_start AND coalesce(t.solved_at, t.opened_at) < $as_of
        UNION ALL
        SELECT v.account_id, (v.score - v.scale_low) / nullif(v.scale_high - v.scale_low, 0)
        FROM survey_response v JOIN survey_source s USING (account_id)
        WHERE v.kind = 'csat' AND s.readable AND s.observed_from <= $quarter_start
            AND v.responded_at >= $quarter_start AND v.responded_at < $as_of
    ) r GROUP BY r.account_id
)
SELECT a.account_id,
    CASE WHEN s.readable THEN n.mean END AS nps_latest,
    n.ids AS nps_latest_ids,
    n.newest AS nps_latest_on,
    CASE WHEN n.mean IS NULL THEN n.mean_ever END AS nps_latest_last,
    CASE WHEN s.readable AND s.observed_from <= $survey_start THEN n.lowest END AS nps_lowest_180d,
    n.lowest AS nps_lowest_180d_seen,
    n.lowest_ids AS nps_lowest_180d_ids,
    coalesce(n.lowest_at, n.newest) AS nps_lowest_180d_on,
    CASE WHEN n.lowest IS NULL THEN n.lowest_ever END AS nps_lowest_180d_last,
    100.0 * r.mean AS csat_90d
FROM account a
LEFT JOIN survey_source s ON s.account_id = a.account_id
LEFT JOIN nps n ON n.account_id = a.account_id
LEFT JOIN ratings r ON r.account_id = a.account_id
