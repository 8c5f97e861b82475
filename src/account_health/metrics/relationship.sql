-- Relationship: one row per account, from touchpoints and the champion the CRM names.
WITH source AS (
    SELECT account_id,
        max(state) FILTER ("table" = 'account') = 'observed' AS account_readable,
        max(state) FILTER ("table" = 'touchpoint') IN ('observed', 'empty') AS readable,
        max(observed_from) FILTER ("table" = 'touchpoint') AS observed_from
    FROM account_source WHERE "table" IN ('account', 'touchpoint') GROUP BY account_id
),
touched AS (
    SELECT account_id,
        max("at") FILTER (executive AND coalesce(attended, true)) AS executive_at,
        max("at") FILTER (executive IS NULL AND kind <> 'mail' AND coalesce(attended, replied, true)) AS perhaps_executive_at,
        list(touchpoint_id ORDER BY "at" DESC, touchpoint_id) FILTER (executive AND coalesce(attended, true)) AS executive_ids,
        count(*) FILTER (kind = 'qbr' AND "at" >= $year_start) AS reviews,
        100.0 * avg(attended::INT) FILTER (kind = 'qbr' AND "at" >= $year_start) AS qbr_attendance,
        list(touchpoint_id ORDER BY "at" DESC, touchpoint_id) FILTER (kind = 'qbr' AND "at" >= $year_start AND NOT attended) AS missed_ids,
        count(*) FILTER (is_outreach AND "at" >= $quarter_start) AS outreach,
        100.0 * avg(replied::INT) FILTER (is_outreach AND "at" >= $quarter_start) AS reply_rate
    FROM (
        SELECT *, direction = 'outbound' AND kind IN ('mail', 'call') AS is_outreach FROM touchpoint WHERE "at" < $as_of
    ) GROUP BY account_id
),
facts AS (
    SELECT a.account_id, a.champion_active, t.* EXCLUDE (account_id, reviews, outreach),
        coalesce(t.reviews, 0) AS reviews, coalesce(t.outreach, 0) AS outreach,
        s.account_readable,
        coalesce(s.readable, false) AS readable,
        s.readable AND s.observed_from <= $quarter_start AS quarter_seen,
        s.readable AND s.observed_from <= $year_start AS year_seen,
        coalesce(a.customer_since > $quarter_day, false) AS new_this_quarter,
        coalesce(a.customer_since > $year_day, false) AS new_this_year,
        coalesce(a.customer_since > $today, false) AS not_yet_a_customer,
        local_day(executive_at, $time_zone) AS executive_day,
        coalesce(perhaps_executive_at > coalesce(executive_at, TIMESTAMP '-infinity'), false) AS executive_unclear,
        greatest(local_day(s.observed_from, $time_zone), coalesce(a.customer_since, local_day(s.observed_from, $time_zone))) AS watched_from,
        coalesce(s.readable AND a.customer_since >= local_day(s.observed_from, $time_zone), false) AS watched_throughout
    FROM account a
    LEFT JOIN source s ON s.account_id = a.account_id
    LEFT JOIN touched t ON t.account_id = a.account_id
)
SELECT account_id,
    -- Who was there last is not always known; a later touch that may have had an executive leaves the question open.
    CASE WHEN readable AND NOT executive_unclear AND coalesce(executive_day, watched_from) <= $today
        THEN date_diff('day', coalesce(executive_day, watched_from), $today) END AS days_since_executive_touch,
    executive_at IS NULL AND NOT executive_unclear AND (not_yet_a_customer OR new_this_quarter AND watched_throughout) AS days_since_executive_touch_na,
    readable AND executive_at IS NULL AND NOT executive_unclear AS days_since_executive_touch_at_least,
    executive_at AS days_since_executive_touch_on,
    executive_ids AS days_since_executive_touch_ids,
    CASE WHEN year_seen THEN qbr_attendance END AS qbr_attendance_12m,
    (year_seen OR new_this_year AND watched_throughout) AND reviews = 0 AS qbr_attendance_12m_na,
    missed_ids AS qbr_attendance_12m_ids,
    CASE WHEN quarter_seen THEN reply_rate END AS outreach_reply_rate_90d,
    (quarter_seen OR new_this_quarter AND watched_throughout) AND outreach = 0 AS outreach_reply_rate_90d_na,
    CASE WHEN account_readable THEN champion_active::INT END AS champion_active
FROM facts
