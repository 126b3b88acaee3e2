-- The whole schema, for a PostgreSQL 14 or newer that has none of it yet:
--
--     psql -h localhost -U postgres -d customer_order_db -f database/customer_order_db.sql
--
-- It is what `python manage.py migrate` makes of an empty database, and says so in django_migrations: later migrations
-- go on from here. Written by `make schema`; a test compares the two.

\set ON_ERROR_STOP on

BEGIN;

SET LOCAL check_function_bodies = false;
SET LOCAL client_min_messages = warning;
SET LOCAL client_encoding = 'UTF8';
SET LOCAL search_path = public;

CREATE FUNCTION acting(actor text) RETURNS text
    LANGUAGE sql
    AS $$
    SELECT set_config('savannah.actor', actor, true)
$$;

CREATE FUNCTION audit_append_only() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('savannah.audit_forgets', true) = 'yes' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'the audit is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE FUNCTION audit_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - TG_ARGV[0]::text[] END;
    after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - TG_ARGV[0]::text[] END;
    row_id text := coalesce(after ->> 'id', before ->> 'id');
    unchanged text[];
    name text;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        SELECT array_agg(key) INTO unchanged FROM jsonb_each(after) WHERE value = before -> key;
        unchanged := coalesce(unchanged, '{}');
        before := before - unchanged;
        after := after - unchanged;
        IF after = '{}' THEN
            RETURN NULL;
        END IF;
    ELSE
        before := before - 'id';
        after := after - 'id';
    END IF;
    FOREACH name IN ARRAY TG_ARGV[1]::text[] LOOP
        before := audit_mask(before, name);
        after := audit_mask(after, name);
    END LOOP;
    FOREACH name IN ARRAY TG_ARGV[2]::text[] LOOP
        before := CASE WHEN before ? name THEN before || jsonb_build_object(name, '***') ELSE before END;
        after := CASE WHEN after ? name THEN after || jsonb_build_object(name, '***') ELSE after END;
    END LOOP;
    PERFORM audit_note(lower(TG_OP), TG_TABLE_NAME, row_id, before, after);
    RETURN NULL;
END
$$;

CREATE TABLE audit (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    actor_id integer,
    actor text,
    client text,
    action text NOT NULL,
    subject text NOT NULL,
    subject_id text,
    before jsonb,
    after jsonb
);

CREATE FUNCTION audit_document(a audit) RETURNS text
    LANGUAGE sql STABLE
    RETURN (json_build_object('id', (a).id, 'at', to_char(((a).at AT TIME ZONE 'UTC'::text), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'::text), 'actor', (a).actor, 'actor_id', (a).actor_id, 'client', (a).client, 'action', (a).action, 'subject', (a).subject, 'subject_id', (a).subject_id, 'before', (a).before, 'after', (a).after))::text;

CREATE FUNCTION audit_forget(age interval, most integer) RETURNS integer
    LANGUAGE plpgsql
    AS $$
DECLARE
    forgotten integer;
BEGIN
    PERFORM set_config('savannah.audit_forgets', 'yes', true);
    WITH oldest AS (SELECT a.id FROM audit a ORDER BY a.id LIMIT most)
    DELETE FROM audit USING oldest WHERE audit.id = oldest.id AND audit.at < now() - age;
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    PERFORM set_config('savannah.audit_forgets', 'no', true);
    RETURN forgotten;
END
$$;

CREATE FUNCTION audit_grant() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    link jsonb := CASE TG_OP WHEN 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END;
    given jsonb;
BEGIN
    IF TG_TABLE_NAME = 'auth_user_groups' THEN
        SELECT jsonb_build_object('role', g.name) INTO given
        FROM auth_group g
        WHERE g.id = (link ->> 'group_id')::integer;
    ELSE
        SELECT jsonb_build_object('right', kind.app_label || '.' || p.codename) INTO given
        FROM auth_permission p JOIN django_content_type kind ON kind.id = p.content_type_id
        WHERE p.id = (link ->> 'permission_id')::integer;
    END IF;
    PERFORM audit_note(
        CASE TG_OP WHEN 'DELETE' THEN 'revoke' ELSE 'grant' END,
        CASE TG_TABLE_NAME WHEN 'auth_group_permissions' THEN 'auth_group' ELSE 'auth_user' END,
        coalesce(CASE TG_TABLE_NAME WHEN 'auth_group_permissions' THEN link ->> 'group_id' END, link ->> 'user_id'),
        CASE TG_OP WHEN 'DELETE' THEN given END,
        CASE TG_OP WHEN 'DELETE' THEN NULL ELSE given END
    );
    RETURN NULL;
END
$$;

CREATE FUNCTION audit_mask(fields jsonb, name text) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT CASE WHEN fields ? name
        THEN fields || jsonb_build_object(name, left(fields ->> name, 5) || '*****' || right(fields ->> name, 3))
        ELSE fields
    END
$$;

CREATE FUNCTION audit_note(action text, subject text, subject_id text, before jsonb, after jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    actor jsonb := nullif(current_setting('savannah.actor', true), '')::jsonb;
BEGIN
    INSERT INTO audit (actor_id, actor, client, action, subject, subject_id, before, after)
    VALUES ((actor ->> 'id')::integer, coalesce(actor ->> 'name', 'database user ' || session_user), actor ->> 'client',
            action, subject, subject_id, before, after);
END
$$;

CREATE FUNCTION csv_cell(value text) RETURNS text
    LANGUAGE sql IMMUTABLE
    RETURN ((('"'::text || CASE WHEN (value ~ '^''*[-=+@\t\r\n]'::text) THEN ''''::text ELSE ''::text END) || replace(value, '"'::text, '""'::text)) || '"'::text);

CREATE TABLE customers (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    code character varying(50) NOT NULL,
    name character varying(100) NOT NULL,
    phone_number character varying(20) NOT NULL,
    created_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT customers_phone_e164 CHECK (((phone_number)::text ~ '^\+[1-9][0-9]{6,14}$'::text))
);

CREATE FUNCTION customer_csv(c customers) RETURNS text
    LANGUAGE sql STABLE
    RETURN concat_ws(','::text, (c).id, csv_cell(((c).code)::text), csv_cell(((c).name)::text), (c).phone_number, to_char(((c).created_at AT TIME ZONE 'UTC'::text), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'::text), to_char(((c).updated_at AT TIME ZONE 'UTC'::text), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'::text));

CREATE FUNCTION customer_document(c customers) RETURNS text
    LANGUAGE sql STABLE
    RETURN (json_build_object('id', (c).id, 'code', (c).code, 'name', (c).name, 'phone_number', (c).phone_number, 'created_at', to_char(((c).created_at AT TIME ZONE 'UTC'::text), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'::text), 'updated_at', to_char(((c).updated_at AT TIME ZONE 'UTC'::text), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'::text)))::text;

CREATE FUNCTION customer_version(c customers) RETURNS text
    LANGUAGE sql STABLE
    RETURN to_hex(hashtextextended((c)::text, (0)::bigint));

CREATE FUNCTION desk_cost(cost text) RETURNS numeric
    LANGUAGE sql IMMUTABLE
    RETURN COALESCE(("substring"(cost, '(?<![0-9.])[0-9]{1,9}(?![0-9])(?:[.][0-9]{1,4})?'::text))::numeric, (0)::numeric);

CREATE FUNCTION desk_day(moment timestamp with time zone) RETURNS date
    LANGUAGE sql STABLE
    RETURN ((moment AT TIME ZONE 'UTC'::text))::date;

CREATE FUNCTION desk_slot() RETURNS smallint
    LANGUAGE plpgsql
    AS $$
DECLARE
    family CONSTANT int := 7305;
    slot int;
BEGIN
    FOR i IN 0..63 LOOP
        slot := (pg_backend_pid() + i) % 64;
        IF pg_try_advisory_xact_lock(family, slot) THEN
            RETURN slot;
        END IF;
    END LOOP;
    slot := pg_backend_pid() % 64;
    PERFORM pg_advisory_xact_lock(family, slot);
    RETURN slot;
END
$$;

CREATE FUNCTION desk_tally_orders_delete() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO desk_tallies AS t (day, kind, slot, number, amount)
    SELECT day, kind, (SELECT desk_slot()), sum(number), sum(amount)
    FROM (SELECT desk_day(created_at), 'order', -1, -amount FROM old_rows) AS change (day, kind, number, amount)
    GROUP BY day, kind
    HAVING sum(number) <> 0 OR sum(amount) <> 0
    ON CONFLICT (day, kind, slot) DO UPDATE
    SET number = t.number + excluded.number, amount = t.amount + excluded.amount;
    RETURN NULL;
END
$$;

CREATE FUNCTION desk_tally_orders_insert() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO desk_tallies AS t (day, kind, slot, number, amount)
    SELECT day, kind, (SELECT desk_slot()), sum(number), sum(amount)
    FROM (SELECT desk_day(created_at), 'order', 1, amount FROM new_rows) AS change (day, kind, number, amount)
    GROUP BY day, kind
    HAVING sum(number) <> 0 OR sum(amount) <> 0
    ON CONFLICT (day, kind, slot) DO UPDATE
    SET number = t.number + excluded.number, amount = t.amount + excluded.amount;
    RETURN NULL;
END
$$;

CREATE FUNCTION desk_tally_orders_update() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO desk_tallies AS t (day, kind, slot, number, amount)
    SELECT day, kind, (SELECT desk_slot()), sum(number), sum(amount)
    FROM (SELECT desk_day(created_at), 'order', 1, amount FROM new_rows UNION ALL SELECT desk_day(created_at), 'order', -1, -amount FROM old_rows) AS change (day, kind, number, amount)
    GROUP BY day, kind
    HAVING sum(number) <> 0 OR sum(amount) <> 0
    ON CONFLICT (day, kind, slot) DO UPDATE
    SET number = t.number + excluded.number, amount = t.amount + excluded.amount;
    RETURN NULL;
END
$$;

CREATE FUNCTION desk_tally_sms_messages_delete() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    -- An order's SMS is queued, and claimed: a look is all that those cost.
    IF EXISTS (SELECT FROM old_rows WHERE state NOT IN ('queued', 'sending')) THEN
        INSERT INTO desk_tallies AS t (day, kind, slot, number, amount)
        SELECT day, kind, (SELECT desk_slot()), sum(number), sum(amount)
        FROM (SELECT desk_day(created_at), state, -1, -desk_cost(cost) FROM old_rows WHERE state NOT IN ('queued', 'sending')) AS change (day, kind, number, amount)
        GROUP BY day, kind
        HAVING sum(number) <> 0 OR sum(amount) <> 0
        ON CONFLICT (day, kind, slot) DO UPDATE
        SET number = t.number + excluded.number, amount = t.amount + excluded.amount;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION desk_tally_sms_messages_insert() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    -- An order's SMS is queued, and claimed: a look is all that those cost.
    IF EXISTS (SELECT FROM new_rows WHERE state NOT IN ('queued', 'sending')) THEN
        INSERT INTO desk_tallies AS t (day, kind, slot, number, amount)
        SELECT day, kind, (SELECT desk_slot()), sum(number), sum(amount)
        FROM (SELECT desk_day(created_at), state, 1, desk_cost(cost) FROM new_rows WHERE state NOT IN ('queued', 'sending')) AS change (day, kind, number, amount)
        GROUP BY day, kind
        HAVING sum(number) <> 0 OR sum(amount) <> 0
        ON CONFLICT (day, kind, slot) DO UPDATE
        SET number = t.number + excluded.number, amount = t.amount + excluded.amount;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION desk_tally_sms_messages_update() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    -- An order's SMS is queued, and claimed: a look is all that those cost.
    IF EXISTS (SELECT FROM new_rows WHERE state NOT IN ('queued', 'sending')) OR EXISTS (SELECT FROM old_rows WHERE state NOT IN ('queued', 'sending')) THEN
        INSERT INTO desk_tallies AS t (day, kind, slot, number, amount)
        SELECT day, kind, (SELECT desk_slot()), sum(number), sum(amount)
        FROM (SELECT desk_day(created_at), state, 1, desk_cost(cost) FROM new_rows WHERE state NOT IN ('queued', 'sending') UNION ALL SELECT desk_day(created_at), state, -1, -desk_cost(cost) FROM old_rows WHERE state NOT IN ('queued', 'sending')) AS change (day, kind, number, amount)
        GROUP BY day, kind
        HAVING sum(number) <> 0 OR sum(amount) <> 0
        ON CONFLICT (day, kind, slot) DO UPDATE
        SET number = t.number + excluded.number, amount = t.amount + excluded.amount;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION end_tokens(of_user integer, of_application bigint DEFAULT NULL::bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    DELETE FROM authorization_codes c
    WHERE c.user_id = of_user AND c.redeemed_at IS NULL
      AND (of_application IS NULL OR c.application_id = of_application);

    DELETE FROM oauth2_provider_devicegrant d
    WHERE d.user_id = of_user
      AND (of_application IS NULL
           OR d.client_id = (SELECT a.client_id FROM applications a WHERE a.id = of_application));

    PERFORM pg_advisory_xact_lock(hashtextextended(held.family, 0))
    FROM (
        SELECT DISTINCT r.token_family::text AS family
        FROM oauth2_provider_refreshtoken r
        WHERE r.user_id = of_user AND r.revoked IS NULL AND r.token_family IS NOT NULL
          AND (of_application IS NULL OR r.application_id = of_application)
        ORDER BY family
    ) held;

    UPDATE oauth2_provider_refreshtoken r
    SET revoked = coalesce(r.revoked, now()), updated = now(), access_token_id = NULL
    WHERE r.user_id = of_user AND (r.revoked IS NULL OR r.access_token_id IS NOT NULL)
      AND (of_application IS NULL OR r.application_id = of_application);

    DELETE FROM oauth2_provider_accesstoken t
    WHERE t.user_id = of_user AND (of_application IS NULL OR t.application_id = of_application);
END
$$;

CREATE FUNCTION end_tokens_of_old_password() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF current_setting('savannah.same_password', true) IS DISTINCT FROM 'yes' THEN
        PERFORM end_tokens(NEW.id);
    END IF;
    RETURN NULL;
END
$$;

CREATE TABLE orders (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    item character varying(200) NOT NULL,
    amount numeric(10,2) NOT NULL,
    order_time timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    created_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    customer_id uuid NOT NULL,
    CONSTRAINT orders_amount_positive CHECK ((amount > (0)::numeric))
);

CREATE FUNCTION order_csv(o orders, c customers, sms_status text) RETURNS text
    LANGUAGE sql STABLE
    RETURN concat_ws(','::text, (o).id, csv_cell(((o).item)::text), (o).amount, to_char(((o).order_time AT TIME ZONE 'UTC'::text), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'::text), to_char(((o).created_at AT TIME ZONE 'UTC'::text), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'::text), (o).customer_id, csv_cell(((c).code)::text), csv_cell(((c).name)::text), (c).phone_number, COALESCE(sms_status, ''::text));

CREATE FUNCTION order_document(o orders, c customers) RETURNS text
    LANGUAGE sql STABLE
    RETURN (((((((((((((((((('{"id" : "'::text || (o).id) || '", "item" : '::text) || to_json((o).item)) || ', "amount" : "'::text) || (o).amount) || '", "order_time" : "'::text) || to_char(((o).order_time AT TIME ZONE 'UTC'::text), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'::text)) || '", "created_at" : "'::text) || to_char(((o).created_at AT TIME ZONE 'UTC'::text), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'::text)) || '", "customer_id" : "'::text) || (o).customer_id) || '", "customer_code" : '::text) || to_json((c).code)) || ', "customer_name" : '::text) || to_json((c).name)) || ', "customer_phone" : '::text) || to_json((c).phone_number)) || '}'::text);

CREATE FUNCTION order_document(o orders, c customers, sms_status text) RETURNS text
    LANGUAGE sql STABLE
    RETURN (((((((((((((((((((('{"id" : "'::text || (o).id) || '", "item" : '::text) || to_json((o).item)) || ', "amount" : "'::text) || (o).amount) || '", "order_time" : "'::text) || to_char(((o).order_time AT TIME ZONE 'UTC'::text), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'::text)) || '", "created_at" : "'::text) || to_char(((o).created_at AT TIME ZONE 'UTC'::text), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'::text)) || '", "customer_id" : "'::text) || (o).customer_id) || '", "customer_code" : '::text) || to_json((c).code)) || ', "customer_name" : '::text) || to_json((c).name)) || ', "customer_phone" : '::text) || to_json((c).phone_number)) || ', "sms_status" : '::text) || COALESCE((to_json(sms_status))::text, 'null'::text)) || '}'::text);

CREATE FUNCTION order_version(o orders) RETURNS text
    LANGUAGE sql STABLE
    RETURN to_hex(hashtextextended((o)::text, (0)::bigint));

CREATE FUNCTION rights_of(of_user integer, claimed text[], default_role text) RETURNS SETOF text
    LANGUAGE sql STABLE
    AS $$
    WITH role AS (
        SELECT member.group_id AS id FROM auth_user_groups member WHERE member.user_id = of_user
        UNION ALL
        SELECT named.id FROM auth_group named WHERE named.name = ANY (claimed)
    )
    SELECT kind.app_label || '.' || permission.codename
    FROM auth_permission permission
    JOIN django_content_type kind ON kind.id = permission.content_type_id
    WHERE permission.id IN (
        SELECT given.permission_id
        FROM auth_group_permissions given
        WHERE given.group_id IN (
            SELECT role.id FROM role
            UNION ALL
            SELECT named.id FROM auth_group named WHERE named.name = default_role AND NOT EXISTS (SELECT FROM role)
        )
        UNION ALL
        SELECT own.permission_id FROM auth_user_user_permissions own WHERE own.user_id = of_user
    )
$$;

CREATE FUNCTION sms_encoding(body text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $_$
    SELECT CASE WHEN body ~ (
        U&'^[][^{}\005C\005C~|\20AC\000C@\00A3$\00A5\00E8\00E9\00F9\00EC\00F2\00C7\000A\00D8\00F8\000D\00C5\00E5'
          '\0394_\03A6\0393\039B\03A9\03A0\03A8\03A3\0398\039E\00C6\00E6\00DF\00C9 !"#\00A4%&''()*+,./'
          '0123456789:;<=>?\00A1ABCDEFGHIJKLMNOPQRSTUVWXYZ\00C4\00D6\00D1\00DC\00A7\00BF'
          'abcdefghijklmnopqrstuvwxyz\00E4\00F6\00F1\00FC\00E0-]*$'
    ) THEN 'GSM-7' ELSE 'UCS-2' END
$_$;

CREATE FUNCTION sms_segments(body text) RETURNS smallint
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path TO 'public'
    AS $$
DECLARE
    gsm CONSTANT boolean := sms_encoding(body) = 'GSM-7';
    alone CONSTANT int := CASE WHEN gsm THEN 160 ELSE 70 END;
    together CONSTANT int := CASE WHEN gsm THEN 153 ELSE 67 END;
    narrow CONSTANT text := CASE WHEN gsm THEN U&'[^][^{}\005C\005C~|\20AC\000C]' ELSE '[\u0001-\uffff]' END;
    doubles CONSTANT int := length(regexp_replace(body, narrow, '', 'g'));
    count int := 1;
    room int := together;
    width int;
BEGIN
    IF length(body) + doubles <= alone THEN
        RETURN 1;
    END IF;
    IF doubles = 0 THEN
        RETURN ceil(length(body) / together::numeric);
    END IF;
    FOR position IN 1..length(body) LOOP
        width := CASE WHEN substr(body, position, 1) ~ narrow THEN 1 ELSE 2 END;
        IF width > room THEN
            count := count + 1;
            room := together;
        END IF;
        room := room - width;
    END LOOP;
    RETURN count;
END
$$;

CREATE FUNCTION sms_time(moment timestamp with time zone) RETURNS text
    LANGUAGE sql STABLE
    RETURN to_char((moment AT TIME ZONE 'UTC'::text), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'::text);

CREATE TABLE sms_attempts (
    number smallint NOT NULL,
    asked_at timestamp with time zone NOT NULL,
    answered_at timestamp with time zone,
    http_status smallint,
    state character varying(20) NOT NULL,
    reason character varying(200) DEFAULT ''::character varying NOT NULL,
    provider_message_id character varying(100) DEFAULT ''::character varying NOT NULL,
    message_id uuid NOT NULL,
    CONSTRAINT sms_attempts_http_status_check CHECK ((http_status >= 0)),
    CONSTRAINT sms_attempts_number_check CHECK ((number >= 0))
);

CREATE TABLE sms_messages (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    order_id uuid,
    phone_number character varying(20) NOT NULL,
    body text NOT NULL,
    encoding character varying(5),
    segments smallint,
    state character varying(20) DEFAULT 'queued'::character varying NOT NULL,
    possible_duplicate boolean DEFAULT false NOT NULL,
    withdrawn boolean DEFAULT false NOT NULL,
    attempts smallint DEFAULT 0 NOT NULL,
    due_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP,
    provider_message_id character varying(100) DEFAULT ''::character varying NOT NULL,
    cost character varying(30) DEFAULT ''::character varying NOT NULL,
    failure_reason character varying(200) DEFAULT ''::character varying NOT NULL,
    queued_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    created_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    request_id character varying(64) DEFAULT ''::character varying NOT NULL,
    awaited boolean DEFAULT false NOT NULL,
    CONSTRAINT sms_messages_attempts_check CHECK ((attempts >= 0)),
    CONSTRAINT sms_messages_state CHECK (((state)::text = ANY (ARRAY['queued'::text, 'sending'::text, 'accepted'::text, 'delivered'::text, 'undelivered'::text, 'rejected'::text, 'unknown'::text, 'cancelled'::text, 'expired'::text])))
);

CREATE TABLE sms_reports (
    id bigint NOT NULL,
    provider_message_id character varying(100) NOT NULL,
    status character varying(50) NOT NULL,
    phone_number character varying(20) NOT NULL,
    failure_reason character varying(200) DEFAULT ''::character varying NOT NULL,
    network_code character varying(20) DEFAULT ''::character varying NOT NULL,
    received_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    message_id uuid
);

CREATE FUNCTION sms_document(m sms_messages) RETURNS text
    LANGUAGE sql STABLE
    RETURN (json_build_object('id', (m).id, 'status', (m).state, 'phone_number', (m).phone_number, 'body', (m).body, 'segments', sms_segments((m).body), 'encoding', sms_encoding((m).body), 'possible_duplicate', (m).possible_duplicate, 'reason', (m).failure_reason, 'cost', (m).cost, 'provider_message_id', (m).provider_message_id, 'attempts', (SELECT COALESCE(json_agg(json_build_object('number', a.number, 'asked_at', sms_time(a.asked_at), 'answered_at', sms_time(a.answered_at), 'http_status', a.http_status, 'status', a.state, 'reason', a.reason, 'provider_message_id', a.provider_message_id) ORDER BY a.number), '[]'::json) AS "coalesce" FROM sms_attempts a WHERE (a.message_id = (sms_document.m).id)), 'delivery_reports', (SELECT COALESCE(json_agg(json_build_object('received_at', sms_time(r.received_at), 'status', r.status, 'failure_reason', r.failure_reason, 'network_code', r.network_code, 'provider_message_id', r.provider_message_id) ORDER BY r.received_at, r.id), '[]'::json) AS "coalesce" FROM sms_reports r WHERE (r.message_id = (sms_document.m).id)), 'created_at', sms_time((m).created_at), 'updated_at', sms_time((m).updated_at)))::text;

CREATE FUNCTION sms_match_report(report sms_reports) RETURNS uuid
    LANGUAGE plpgsql
    AS $$
DECLARE
    target sms_messages;
    next_state CONSTANT text := CASE report.status
        WHEN 'Success' THEN 'delivered' WHEN 'Failed' THEN 'undelivered' WHEN 'Rejected' THEN 'undelivered'
        ELSE 'accepted' END;
    ranks CONSTANT text[] := ARRAY['unknown', 'accepted', 'undelivered', 'delivered'];
    found_id uuid;
    known boolean;
BEGIN
    SELECT a.message_id INTO found_id FROM sms_attempts a
    WHERE a.provider_message_id = report.provider_message_id AND a.provider_message_id <> '' LIMIT 1;
    known := FOUND;
    IF NOT known THEN
        WITH asked AS (
            SELECT m.id FROM sms_messages m WHERE m.phone_number = report.phone_number AND m.state = 'unknown'
            UNION
            SELECT m.id FROM sms_messages m WHERE m.phone_number = report.phone_number AND m.possible_duplicate
        ), unanswered AS (
            SELECT asked.id FROM asked
            WHERE EXISTS (
                SELECT FROM sms_attempts a
                WHERE a.message_id = asked.id AND a.state = 'unknown' AND a.provider_message_id = ''
                    AND a.asked_at BETWEEN report.received_at - interval '3 days' AND report.received_at
            )
        )
        SELECT (array_agg(id))[1] INTO found_id FROM unanswered
        WHERE NOT EXISTS (
            SELECT FROM sms_messages s WHERE s.phone_number = report.phone_number AND s.state = 'sending'
        ) AND NOT EXISTS (
            -- Sent a moment ago, and recorded since we looked.
            SELECT FROM sms_attempts a
            WHERE a.provider_message_id = report.provider_message_id AND a.provider_message_id <> ''
        )
        HAVING count(*) = 1;
    END IF;
    -- What was found may have changed since: from here on it is ours.
    SELECT * INTO target FROM sms_messages
    WHERE id = found_id AND phone_number = report.phone_number AND (known OR state = 'unknown')
    FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    UPDATE sms_reports SET message_id = target.id WHERE id = report.id AND message_id IS NULL;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF NOT known THEN
        UPDATE sms_attempts SET provider_message_id = report.provider_message_id
        WHERE message_id = target.id AND number = target.attempts;
    END IF;
    IF array_position(ranks, next_state) > array_position(ranks, target.state::text) THEN
        UPDATE sms_messages
        SET state = next_state,
            due_at = NULL,
            provider_message_id = report.provider_message_id,
            failure_reason = CASE WHEN next_state = 'undelivered' THEN report.failure_reason ELSE '' END,
            updated_at = clock_timestamp()
        WHERE id = target.id;
    END IF;
    RETURN target.id;
END
$$;

CREATE FUNCTION sms_transliterate(body text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
    SELECT CASE
        WHEN sms_encoding(sms_transliterate.body) <> 'GSM-7' AND sms_encoding(plain.body) = 'GSM-7' THEN plain.body
        ELSE sms_transliterate.body
    END
    FROM (SELECT replace(translate(normalize(sms_transliterate.body, NFC),
        U&'\2018\2019\201A\201B\2032\2039\203A\02BC\00B4`\201C\201D\201E\201F\2033\00AB\00BB'
          '\2010\2011\2012\2013\2014\2015\2212'
          '\00A0\2002\2003\2004\2005\2006\2007\2008\2009\200A\202F\205F\3000\0009'
          '\200B\200C\200D\2060\FEFF\00AD',
        repeat(chr(39), 10) || repeat('"', 7) || repeat('-', 7) || repeat(' ', 14)
    ), U&'\2026', '...')) AS plain (body)
$$;

CREATE FUNCTION sms_withdraw_with_order() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    NEW.withdrawn := true;
    NEW.updated_at := clock_timestamp();
    IF OLD.state <> 'sending' THEN
        NEW.due_at := NULL;
    END IF;
    IF OLD.state = 'queued' THEN
        NEW.state := 'cancelled';
        NEW.failure_reason := 'the order was deleted';
    END IF;
    RETURN NEW;
END
$$;

CREATE TABLE applications (
    id bigint NOT NULL,
    client_id character varying(255) NOT NULL,
    redirect_uris text NOT NULL,
    post_logout_redirect_uris text NOT NULL,
    client_type character varying(32) NOT NULL,
    authorization_grant_type character varying(44) NOT NULL,
    client_secret character varying(255) NOT NULL,
    hash_client_secret boolean NOT NULL,
    name character varying(255) NOT NULL,
    skip_authorization boolean NOT NULL,
    created timestamp with time zone NOT NULL,
    updated timestamp with time zone NOT NULL,
    algorithm character varying(5) NOT NULL,
    allowed_origins text NOT NULL,
    registration_source character varying(32) NOT NULL,
    cimd_expires_at timestamp with time zone,
    allowed_scopes text NOT NULL,
    user_id integer,
    CONSTRAINT applications_hs256_secret CHECK (((NOT ((algorithm)::text = 'HS256'::text)) OR (((client_type)::text = 'confidential'::text) AND (NOT hash_client_secret))))
);

ALTER TABLE applications ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME applications_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE audit ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME audit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE auth_group (
    id integer NOT NULL,
    name character varying(150) NOT NULL
);

ALTER TABLE auth_group ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME auth_group_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE auth_group_permissions (
    id bigint NOT NULL,
    group_id integer NOT NULL,
    permission_id integer NOT NULL
);

ALTER TABLE auth_group_permissions ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME auth_group_permissions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE auth_permission (
    id integer NOT NULL,
    name character varying(255) NOT NULL,
    content_type_id integer NOT NULL,
    codename character varying(100) NOT NULL
);

ALTER TABLE auth_permission ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME auth_permission_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE auth_user (
    id integer NOT NULL,
    password character varying(128) NOT NULL,
    last_login timestamp with time zone,
    is_superuser boolean NOT NULL,
    username character varying(150) NOT NULL,
    first_name character varying(150) NOT NULL,
    last_name character varying(150) NOT NULL,
    email character varying(254) NOT NULL,
    is_staff boolean NOT NULL,
    is_active boolean NOT NULL,
    date_joined timestamp with time zone NOT NULL
);

CREATE TABLE auth_user_groups (
    id bigint NOT NULL,
    user_id integer NOT NULL,
    group_id integer NOT NULL
);

ALTER TABLE auth_user_groups ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME auth_user_groups_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE auth_user ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME auth_user_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE auth_user_user_permissions (
    id bigint NOT NULL,
    user_id integer NOT NULL,
    permission_id integer NOT NULL
);

ALTER TABLE auth_user_user_permissions ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME auth_user_user_permissions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE authorization_codes (
    id bigint NOT NULL,
    code character varying(255) NOT NULL,
    expires timestamp with time zone NOT NULL,
    redirect_uri text NOT NULL,
    scope text NOT NULL,
    created timestamp with time zone NOT NULL,
    updated timestamp with time zone NOT NULL,
    code_challenge character varying(128) NOT NULL,
    code_challenge_method character varying(10) NOT NULL,
    nonce character varying(255) NOT NULL,
    claims text NOT NULL,
    resource jsonb NOT NULL,
    auth_time bigint,
    redeemed_at timestamp with time zone,
    token_family uuid,
    application_id bigint NOT NULL,
    user_id integer NOT NULL
);

ALTER TABLE authorization_codes ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME authorization_codes_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE axes_accessattempt (
    id integer NOT NULL,
    user_agent character varying(255) NOT NULL,
    ip_address inet,
    username character varying(255),
    http_accept character varying(1025) NOT NULL,
    path_info character varying(255) NOT NULL,
    attempt_time timestamp with time zone NOT NULL,
    get_data text NOT NULL,
    post_data text NOT NULL,
    failures_since_start integer NOT NULL,
    CONSTRAINT axes_accessattempt_failures_since_start_check CHECK ((failures_since_start >= 0))
);

ALTER TABLE axes_accessattempt ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME axes_accessattempt_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE axes_accessattemptexpiration (
    access_attempt_id integer NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

CREATE TABLE axes_accessfailurelog (
    id integer NOT NULL,
    user_agent character varying(255) NOT NULL,
    ip_address inet,
    username character varying(255),
    http_accept character varying(1025) NOT NULL,
    path_info character varying(255) NOT NULL,
    attempt_time timestamp with time zone NOT NULL,
    locked_out boolean NOT NULL
);

ALTER TABLE axes_accessfailurelog ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME axes_accessfailurelog_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE axes_accesslog (
    id integer NOT NULL,
    user_agent character varying(255) NOT NULL,
    ip_address inet,
    username character varying(255),
    http_accept character varying(1025) NOT NULL,
    path_info character varying(255) NOT NULL,
    attempt_time timestamp with time zone NOT NULL,
    logout_time timestamp with time zone,
    session_hash character varying(64) NOT NULL
);

ALTER TABLE axes_accesslog ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME axes_accesslog_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE consents (
    id bigint NOT NULL,
    scopes text[] NOT NULL,
    application_id bigint NOT NULL,
    user_id integer NOT NULL
);

ALTER TABLE consents ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME consents_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE desk_deleted (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    name character varying(200) NOT NULL,
    customer jsonb,
    orders jsonb NOT NULL,
    deleted_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL
);

CREATE TABLE desk_tallies (
    day date NOT NULL,
    kind character varying(20) NOT NULL,
    slot smallint NOT NULL,
    number bigint NOT NULL,
    amount numeric(24,4) NOT NULL
);

CREATE TABLE django_admin_log (
    id integer NOT NULL,
    action_time timestamp with time zone NOT NULL,
    object_id text,
    object_repr character varying(200) NOT NULL,
    action_flag smallint NOT NULL,
    change_message text NOT NULL,
    content_type_id integer,
    user_id integer NOT NULL,
    CONSTRAINT django_admin_log_action_flag_check CHECK ((action_flag >= 0))
);

ALTER TABLE django_admin_log ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME django_admin_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE django_content_type (
    id integer NOT NULL,
    app_label character varying(100) NOT NULL,
    model character varying(100) NOT NULL
);

ALTER TABLE django_content_type ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME django_content_type_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE django_migrations (
    id bigint NOT NULL,
    app character varying(255) NOT NULL,
    name character varying(255) NOT NULL,
    applied timestamp with time zone NOT NULL
);

ALTER TABLE django_migrations ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME django_migrations_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE django_session (
    session_key character varying(40) NOT NULL,
    session_data text NOT NULL,
    expire_date timestamp with time zone NOT NULL
);

CREATE TABLE idempotency_keys (
    caller text NOT NULL,
    operation text NOT NULL,
    key text NOT NULL,
    fingerprint text NOT NULL,
    status smallint,
    body text,
    pending uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE identities (
    id bigint NOT NULL,
    issuer text NOT NULL,
    subject text NOT NULL,
    roles text[],
    user_id integer NOT NULL
);

ALTER TABLE identities ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME identities_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE issuer_keys (
    issuer text NOT NULL,
    document jsonb NOT NULL,
    fetched_at timestamp with time zone NOT NULL
);

CREATE TABLE oauth2_provider_accesstoken (
    id bigint NOT NULL,
    token text NOT NULL,
    expires timestamp with time zone NOT NULL,
    scope text NOT NULL,
    application_id bigint,
    user_id integer,
    created timestamp with time zone NOT NULL,
    updated timestamp with time zone NOT NULL,
    source_refresh_token_id bigint,
    id_token_id bigint,
    token_checksum character varying(64) NOT NULL,
    resource jsonb NOT NULL
);

ALTER TABLE oauth2_provider_accesstoken ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME oauth2_provider_accesstoken_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE oauth2_provider_devicegrant (
    id bigint NOT NULL,
    device_code character varying(100) NOT NULL,
    user_code character varying(100) NOT NULL,
    scope text NOT NULL,
    "interval" integer NOT NULL,
    expires timestamp with time zone NOT NULL,
    status character varying(64) NOT NULL,
    client_id character varying(100) NOT NULL,
    last_checked timestamp with time zone NOT NULL,
    user_id integer
);

ALTER TABLE oauth2_provider_devicegrant ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME oauth2_provider_devicegrant_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE oauth2_provider_idtoken (
    id bigint NOT NULL,
    jti uuid NOT NULL,
    expires timestamp with time zone NOT NULL,
    scope text NOT NULL,
    created timestamp with time zone NOT NULL,
    updated timestamp with time zone NOT NULL,
    application_id bigint,
    user_id integer
);

ALTER TABLE oauth2_provider_idtoken ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME oauth2_provider_idtoken_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE oauth2_provider_refreshtoken (
    id bigint NOT NULL,
    token text NOT NULL,
    access_token_id bigint,
    application_id bigint NOT NULL,
    user_id integer NOT NULL,
    created timestamp with time zone NOT NULL,
    updated timestamp with time zone NOT NULL,
    revoked timestamp with time zone,
    token_family uuid,
    token_checksum character varying(64) NOT NULL,
    resource jsonb NOT NULL
);

ALTER TABLE oauth2_provider_refreshtoken ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME oauth2_provider_refreshtoken_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE sms_opt_outs (
    phone_number character varying(20) NOT NULL,
    sender_id character varying(50) DEFAULT ''::character varying NOT NULL,
    created_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL
);

CREATE TABLE sms_pauses (
    gateway character varying(200) NOT NULL,
    reason character varying(200) NOT NULL,
    needs_help boolean NOT NULL,
    paused_until timestamp with time zone NOT NULL,
    since timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL
);

ALTER TABLE sms_reports ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME sms_reports_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE UNLOGGED TABLE throttles (
    key text NOT NULL,
    due timestamp with time zone NOT NULL
);

INSERT INTO auth_group (id, name) VALUES (1, 'viewer');
INSERT INTO auth_group (id, name) VALUES (2, 'clerk');
INSERT INTO auth_group (id, name) VALUES (3, 'manager');

INSERT INTO auth_group_permissions (id, group_id, permission_id) VALUES (1, 3, 1);
INSERT INTO auth_group_permissions (id, group_id, permission_id) VALUES (2, 1, 2);
INSERT INTO auth_group_permissions (id, group_id, permission_id) VALUES (3, 2, 2);
INSERT INTO auth_group_permissions (id, group_id, permission_id) VALUES (4, 3, 2);
INSERT INTO auth_group_permissions (id, group_id, permission_id) VALUES (5, 2, 3);
INSERT INTO auth_group_permissions (id, group_id, permission_id) VALUES (6, 3, 3);
INSERT INTO auth_group_permissions (id, group_id, permission_id) VALUES (7, 2, 4);
INSERT INTO auth_group_permissions (id, group_id, permission_id) VALUES (8, 3, 4);
INSERT INTO auth_group_permissions (id, group_id, permission_id) VALUES (9, 3, 5);
INSERT INTO auth_group_permissions (id, group_id, permission_id) VALUES (10, 3, 6);
INSERT INTO auth_group_permissions (id, group_id, permission_id) VALUES (11, 1, 7);
INSERT INTO auth_group_permissions (id, group_id, permission_id) VALUES (12, 2, 7);
INSERT INTO auth_group_permissions (id, group_id, permission_id) VALUES (13, 3, 7);
INSERT INTO auth_group_permissions (id, group_id, permission_id) VALUES (14, 2, 8);
INSERT INTO auth_group_permissions (id, group_id, permission_id) VALUES (15, 3, 8);
INSERT INTO auth_group_permissions (id, group_id, permission_id) VALUES (16, 2, 9);
INSERT INTO auth_group_permissions (id, group_id, permission_id) VALUES (17, 3, 9);
INSERT INTO auth_group_permissions (id, group_id, permission_id) VALUES (18, 3, 10);

INSERT INTO auth_permission (id, name, content_type_id, codename) VALUES (1, 'Can view auditentry', 1, 'view_auditentry');
INSERT INTO auth_permission (id, name, content_type_id, codename) VALUES (2, 'Can view customer', 2, 'view_customer');
INSERT INTO auth_permission (id, name, content_type_id, codename) VALUES (3, 'Can add customer', 2, 'add_customer');
INSERT INTO auth_permission (id, name, content_type_id, codename) VALUES (4, 'Can change customer', 2, 'change_customer');
INSERT INTO auth_permission (id, name, content_type_id, codename) VALUES (5, 'Can delete customer', 2, 'delete_customer');
INSERT INTO auth_permission (id, name, content_type_id, codename) VALUES (6, 'Can view tally', 3, 'view_tally');
INSERT INTO auth_permission (id, name, content_type_id, codename) VALUES (7, 'Can view order', 4, 'view_order');
INSERT INTO auth_permission (id, name, content_type_id, codename) VALUES (8, 'Can add order', 4, 'add_order');
INSERT INTO auth_permission (id, name, content_type_id, codename) VALUES (9, 'Can change order', 4, 'change_order');
INSERT INTO auth_permission (id, name, content_type_id, codename) VALUES (10, 'Can delete order', 4, 'delete_order');

INSERT INTO django_content_type (id, app_label, model) VALUES (1, 'accounts', 'auditentry');
INSERT INTO django_content_type (id, app_label, model) VALUES (2, 'customers', 'customer');
INSERT INTO django_content_type (id, app_label, model) VALUES (3, 'desk', 'tally');
INSERT INTO django_content_type (id, app_label, model) VALUES (4, 'orders', 'order');

SELECT pg_catalog.setval('audit_id_seq', 18, true);

SELECT pg_catalog.setval('auth_group_id_seq', 3, true);

SELECT pg_catalog.setval('auth_group_permissions_id_seq', 18, true);

SELECT pg_catalog.setval('auth_permission_id_seq', 10, true);

SELECT pg_catalog.setval('django_content_type_id_seq', 4, true);

ALTER TABLE ONLY applications
    ADD CONSTRAINT applications_client_id_key UNIQUE (client_id);

ALTER TABLE ONLY applications
    ADD CONSTRAINT applications_pkey PRIMARY KEY (id);

ALTER TABLE ONLY audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (id);

ALTER TABLE ONLY auth_group
    ADD CONSTRAINT auth_group_name_key UNIQUE (name);

ALTER TABLE ONLY auth_group_permissions
    ADD CONSTRAINT auth_group_permissions_group_id_permission_id_0cd325b0_uniq UNIQUE (group_id, permission_id);

ALTER TABLE ONLY auth_group_permissions
    ADD CONSTRAINT auth_group_permissions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY auth_group
    ADD CONSTRAINT auth_group_pkey PRIMARY KEY (id);

ALTER TABLE ONLY auth_permission
    ADD CONSTRAINT auth_permission_content_type_id_codename_01ab375a_uniq UNIQUE (content_type_id, codename);

ALTER TABLE ONLY auth_permission
    ADD CONSTRAINT auth_permission_pkey PRIMARY KEY (id);

ALTER TABLE ONLY auth_user_groups
    ADD CONSTRAINT auth_user_groups_pkey PRIMARY KEY (id);

ALTER TABLE ONLY auth_user_groups
    ADD CONSTRAINT auth_user_groups_user_id_group_id_94350c0c_uniq UNIQUE (user_id, group_id);

ALTER TABLE ONLY auth_user
    ADD CONSTRAINT auth_user_pkey PRIMARY KEY (id);

ALTER TABLE ONLY auth_user_user_permissions
    ADD CONSTRAINT auth_user_user_permissions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY auth_user_user_permissions
    ADD CONSTRAINT auth_user_user_permissions_user_id_permission_id_14a6b632_uniq UNIQUE (user_id, permission_id);

ALTER TABLE ONLY auth_user
    ADD CONSTRAINT auth_user_username_key UNIQUE (username);

ALTER TABLE ONLY authorization_codes
    ADD CONSTRAINT authorization_codes_code_key UNIQUE (code);

ALTER TABLE ONLY authorization_codes
    ADD CONSTRAINT authorization_codes_pkey PRIMARY KEY (id);

ALTER TABLE ONLY axes_accessattempt
    ADD CONSTRAINT axes_accessattempt_pkey PRIMARY KEY (id);

ALTER TABLE ONLY axes_accessattempt
    ADD CONSTRAINT axes_accessattempt_username_ip_address_user_agent_8ea22282_uniq UNIQUE (username, ip_address, user_agent);

ALTER TABLE ONLY axes_accessattemptexpiration
    ADD CONSTRAINT axes_accessattemptexpiration_pkey PRIMARY KEY (access_attempt_id);

ALTER TABLE ONLY axes_accessfailurelog
    ADD CONSTRAINT axes_accessfailurelog_pkey PRIMARY KEY (id);

ALTER TABLE ONLY axes_accesslog
    ADD CONSTRAINT axes_accesslog_pkey PRIMARY KEY (id);

ALTER TABLE ONLY consents
    ADD CONSTRAINT consents_key UNIQUE (user_id, application_id);

ALTER TABLE ONLY consents
    ADD CONSTRAINT consents_pkey PRIMARY KEY (id);

ALTER TABLE ONLY customers
    ADD CONSTRAINT customers_code_key UNIQUE (code);

ALTER TABLE ONLY customers
    ADD CONSTRAINT customers_pkey PRIMARY KEY (id);

ALTER TABLE ONLY desk_deleted
    ADD CONSTRAINT desk_deleted_pkey PRIMARY KEY (id);

ALTER TABLE ONLY desk_tallies
    ADD CONSTRAINT desk_tallies_pkey PRIMARY KEY (day, kind, slot);

ALTER TABLE ONLY django_admin_log
    ADD CONSTRAINT django_admin_log_pkey PRIMARY KEY (id);

ALTER TABLE ONLY django_content_type
    ADD CONSTRAINT django_content_type_app_label_model_76bd3d3b_uniq UNIQUE (app_label, model);

ALTER TABLE ONLY django_content_type
    ADD CONSTRAINT django_content_type_pkey PRIMARY KEY (id);

ALTER TABLE ONLY django_migrations
    ADD CONSTRAINT django_migrations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY django_session
    ADD CONSTRAINT django_session_pkey PRIMARY KEY (session_key);

ALTER TABLE ONLY idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (caller, operation, key);

ALTER TABLE ONLY identities
    ADD CONSTRAINT identities_key UNIQUE (issuer, subject);

ALTER TABLE ONLY identities
    ADD CONSTRAINT identities_pkey PRIMARY KEY (id);

ALTER TABLE ONLY identities
    ADD CONSTRAINT identities_user_id_key UNIQUE (user_id);

ALTER TABLE ONLY issuer_keys
    ADD CONSTRAINT issuer_keys_pkey PRIMARY KEY (issuer);

ALTER TABLE ONLY oauth2_provider_accesstoken
    ADD CONSTRAINT oauth2_provider_accesstoken_id_token_id_key UNIQUE (id_token_id);

ALTER TABLE ONLY oauth2_provider_accesstoken
    ADD CONSTRAINT oauth2_provider_accesstoken_pkey PRIMARY KEY (id);

ALTER TABLE ONLY oauth2_provider_accesstoken
    ADD CONSTRAINT oauth2_provider_accesstoken_source_refresh_token_id_key UNIQUE (source_refresh_token_id);

ALTER TABLE ONLY oauth2_provider_accesstoken
    ADD CONSTRAINT oauth2_provider_accesstoken_token_checksum_85319a26_uniq UNIQUE (token_checksum);

ALTER TABLE ONLY oauth2_provider_devicegrant
    ADD CONSTRAINT oauth2_provider_devicegrant_pkey PRIMARY KEY (id);

ALTER TABLE ONLY oauth2_provider_devicegrant
    ADD CONSTRAINT oauth2_provider_devicegrant_unique_device_code UNIQUE (device_code);

ALTER TABLE ONLY oauth2_provider_idtoken
    ADD CONSTRAINT oauth2_provider_idtoken_jti_key UNIQUE (jti);

ALTER TABLE ONLY oauth2_provider_idtoken
    ADD CONSTRAINT oauth2_provider_idtoken_pkey PRIMARY KEY (id);

ALTER TABLE ONLY oauth2_provider_refreshtoken
    ADD CONSTRAINT oauth2_provider_refresht_token_checksum_revoked_46c81d1d_uniq UNIQUE (token_checksum, revoked);

ALTER TABLE ONLY oauth2_provider_refreshtoken
    ADD CONSTRAINT oauth2_provider_refreshtoken_access_token_id_key UNIQUE (access_token_id);

ALTER TABLE ONLY oauth2_provider_refreshtoken
    ADD CONSTRAINT oauth2_provider_refreshtoken_pkey PRIMARY KEY (id);

ALTER TABLE ONLY orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);

ALTER TABLE ONLY sms_attempts
    ADD CONSTRAINT sms_attempts_pkey PRIMARY KEY (message_id, number);

ALTER TABLE ONLY sms_messages
    ADD CONSTRAINT sms_messages_order_id_key UNIQUE (order_id);

ALTER TABLE ONLY sms_messages
    ADD CONSTRAINT sms_messages_pkey PRIMARY KEY (id);

ALTER TABLE ONLY sms_opt_outs
    ADD CONSTRAINT sms_opt_outs_pkey PRIMARY KEY (phone_number);

ALTER TABLE ONLY sms_pauses
    ADD CONSTRAINT sms_pauses_pkey PRIMARY KEY (gateway);

ALTER TABLE ONLY sms_reports
    ADD CONSTRAINT sms_reports_event_key UNIQUE (provider_message_id, status);

ALTER TABLE ONLY sms_reports
    ADD CONSTRAINT sms_reports_pkey PRIMARY KEY (id);

ALTER TABLE ONLY throttles
    ADD CONSTRAINT throttles_pkey PRIMARY KEY (key);

CREATE INDEX applications_client_id_3167c62a_like ON applications USING btree (client_id varchar_pattern_ops);

CREATE INDEX applications_client_secret_ef8cff80 ON applications USING btree (client_secret);

CREATE INDEX applications_client_secret_ef8cff80_like ON applications USING btree (client_secret varchar_pattern_ops);

CREATE INDEX applications_user_id_ccbebfe7 ON applications USING btree (user_id);

CREATE INDEX audit_of_subject ON audit USING btree (subject, subject_id);

CREATE INDEX auth_group_name_a6ea08ec_like ON auth_group USING btree (name varchar_pattern_ops);

CREATE INDEX auth_group_permissions_group_id_b120cbf9 ON auth_group_permissions USING btree (group_id);

CREATE INDEX auth_group_permissions_permission_id_84c5c92e ON auth_group_permissions USING btree (permission_id);

CREATE INDEX auth_permission_content_type_id_2f476e4b ON auth_permission USING btree (content_type_id);

CREATE INDEX auth_user_groups_group_id_97559544 ON auth_user_groups USING btree (group_id);

CREATE INDEX auth_user_groups_user_id_6a12ed8b ON auth_user_groups USING btree (user_id);

CREATE INDEX auth_user_user_permissions_permission_id_1fbb5f2c ON auth_user_user_permissions USING btree (permission_id);

CREATE INDEX auth_user_user_permissions_user_id_a95ead1b ON auth_user_user_permissions USING btree (user_id);

CREATE INDEX auth_user_username_6821ab7c_like ON auth_user USING btree (username varchar_pattern_ops);

CREATE INDEX authorization_codes_application_id_5ad2532a ON authorization_codes USING btree (application_id);

CREATE INDEX authorization_codes_code_b9e2da6e_like ON authorization_codes USING btree (code varchar_pattern_ops);

CREATE INDEX authorization_codes_user_id_80533e00 ON authorization_codes USING btree (user_id);

CREATE INDEX axes_accessattempt_ip_address_10922d9c ON axes_accessattempt USING btree (ip_address);

CREATE INDEX axes_accessattempt_user_agent_ad89678b ON axes_accessattempt USING btree (user_agent);

CREATE INDEX axes_accessattempt_user_agent_ad89678b_like ON axes_accessattempt USING btree (user_agent varchar_pattern_ops);

CREATE INDEX axes_accessattempt_username_3f2d4ca0 ON axes_accessattempt USING btree (username);

CREATE INDEX axes_accessattempt_username_3f2d4ca0_like ON axes_accessattempt USING btree (username varchar_pattern_ops);

CREATE INDEX axes_accessfailurelog_ip_address_2e9f5a7f ON axes_accessfailurelog USING btree (ip_address);

CREATE INDEX axes_accessfailurelog_user_agent_ea145dda ON axes_accessfailurelog USING btree (user_agent);

CREATE INDEX axes_accessfailurelog_user_agent_ea145dda_like ON axes_accessfailurelog USING btree (user_agent varchar_pattern_ops);

CREATE INDEX axes_accessfailurelog_username_a8b7e8a4 ON axes_accessfailurelog USING btree (username);

CREATE INDEX axes_accessfailurelog_username_a8b7e8a4_like ON axes_accessfailurelog USING btree (username varchar_pattern_ops);

CREATE INDEX axes_accesslog_ip_address_86b417e5 ON axes_accesslog USING btree (ip_address);

CREATE INDEX axes_accesslog_user_agent_0e659004 ON axes_accesslog USING btree (user_agent);

CREATE INDEX axes_accesslog_user_agent_0e659004_like ON axes_accesslog USING btree (user_agent varchar_pattern_ops);

CREATE INDEX axes_accesslog_username_df93064b ON axes_accesslog USING btree (username);

CREATE INDEX axes_accesslog_username_df93064b_like ON axes_accesslog USING btree (username varchar_pattern_ops);

CREATE INDEX consents_application_id_c33aa257 ON consents USING btree (application_id);

CREATE INDEX consents_user_id_95a55d28 ON consents USING btree (user_id);

CREATE INDEX customers_by_name ON customers USING btree (name, id);

CREATE INDEX customers_find_code ON customers USING btree (upper((code)::text) text_pattern_ops);

CREATE INDEX customers_find_name ON customers USING btree (lower((name)::text) text_pattern_ops);

CREATE INDEX customers_find_phone ON customers USING btree (phone_number text_pattern_ops);

CREATE INDEX customers_find_phone_end ON customers USING btree (reverse((phone_number)::text) text_pattern_ops);

CREATE INDEX customers_find_word ON customers USING gin (to_tsvector('simple'::regconfig, (name)::text));

CREATE INDEX customers_newest_first ON customers USING btree (created_at DESC, id DESC);

CREATE INDEX desk_deleted_age ON desk_deleted USING btree (deleted_at);

CREATE INDEX django_admin_log_content_type_id_c4bce8eb ON django_admin_log USING btree (content_type_id);

CREATE INDEX django_admin_log_user_id_c564eba6 ON django_admin_log USING btree (user_id);

CREATE INDEX django_session_expire_date_a5c62663 ON django_session USING btree (expire_date);

CREATE INDEX django_session_session_key_c0390e0f_like ON django_session USING btree (session_key varchar_pattern_ops);

CREATE INDEX idempotency_keys_age ON idempotency_keys USING btree (created_at);

CREATE INDEX issuer_keys_issuer_faa971b1_like ON issuer_keys USING btree (issuer text_pattern_ops);

CREATE INDEX oauth2_prov_token_f_996e8a_idx ON oauth2_provider_refreshtoken USING btree (token_family);

CREATE INDEX oauth2_provider_accesstoken_application_id_b22886e1 ON oauth2_provider_accesstoken USING btree (application_id);

CREATE INDEX oauth2_provider_accesstoken_token_checksum_85319a26_like ON oauth2_provider_accesstoken USING btree (token_checksum varchar_pattern_ops);

CREATE INDEX oauth2_provider_accesstoken_user_id_6e4c9a65 ON oauth2_provider_accesstoken USING btree (user_id);

CREATE INDEX oauth2_provider_devicegrant_client_id_229dd06d ON oauth2_provider_devicegrant USING btree (client_id);

CREATE INDEX oauth2_provider_devicegrant_client_id_229dd06d_like ON oauth2_provider_devicegrant USING btree (client_id varchar_pattern_ops);

CREATE INDEX oauth2_provider_devicegrant_user_id_1cec5156 ON oauth2_provider_devicegrant USING btree (user_id);

CREATE INDEX oauth2_provider_idtoken_application_id_08c5ff4f ON oauth2_provider_idtoken USING btree (application_id);

CREATE INDEX oauth2_provider_idtoken_user_id_dd512b59 ON oauth2_provider_idtoken USING btree (user_id);

CREATE INDEX oauth2_provider_refreshtoken_application_id_2d1c311b ON oauth2_provider_refreshtoken USING btree (application_id);

CREATE INDEX oauth2_provider_refreshtoken_user_id_da837fce ON oauth2_provider_refreshtoken USING btree (user_id);

CREATE INDEX orders_amount ON orders USING btree (amount, id, created_at);

CREATE INDEX orders_customer_amount ON orders USING btree (customer_id, amount, id, created_at);

CREATE INDEX orders_customer_time ON orders USING btree (customer_id, created_at DESC, id DESC, amount);

CREATE INDEX orders_item_amount ON orders USING btree (lower((item)::text), amount, id, created_at);

CREATE INDEX orders_item_time ON orders USING btree (lower((item)::text), created_at DESC, id DESC, amount);

CREATE INDEX orders_time ON orders USING btree (created_at DESC, id DESC, amount);

CREATE INDEX sms_attempts_age ON sms_attempts USING brin (asked_at);

CREATE INDEX sms_attempts_provider_id ON sms_attempts USING btree (provider_message_id) WHERE (NOT ((provider_message_id)::text = ''::text));

CREATE INDEX sms_messages_age ON sms_messages USING brin (created_at);

CREATE INDEX sms_messages_awaited ON sms_messages USING btree (created_at) WHERE (awaited AND (attempts = 0) AND ((state)::text = 'queued'::text));

CREATE INDEX sms_messages_doubled_phone ON sms_messages USING btree (phone_number) WHERE possible_duplicate;

CREATE INDEX sms_messages_due ON sms_messages USING btree (due_at) WHERE ((state)::text = ANY (ARRAY['queued'::text, 'unknown'::text]));

CREATE INDEX sms_messages_fresh ON sms_messages USING btree (created_at) WHERE ((attempts = 0) AND ((state)::text = 'queued'::text));

CREATE INDEX sms_messages_leased ON sms_messages USING btree (due_at) WHERE ((state)::text = 'sending'::text);

CREATE INDEX sms_messages_newest_first ON sms_messages USING btree (created_at DESC, id DESC);

CREATE INDEX sms_messages_of_orders ON sms_messages USING btree (state, created_at DESC, order_id DESC) WHERE (order_id IS NOT NULL);

CREATE INDEX sms_messages_open_phone ON sms_messages USING btree (phone_number) WHERE ((state)::text = ANY (ARRAY['queued'::text, 'sending'::text, 'unknown'::text]));

CREATE INDEX sms_messages_rare ON sms_messages USING btree (state, created_at DESC, id DESC) WHERE ((state)::text <> ALL (ARRAY['queued'::text, 'sending'::text, 'accepted'::text, 'delivered'::text]));

CREATE INDEX sms_opt_outs_phone_number_691f8d10_like ON sms_opt_outs USING btree (phone_number varchar_pattern_ops);

CREATE INDEX sms_pauses_gateway_1e144dc1_like ON sms_pauses USING btree (gateway varchar_pattern_ops);

CREATE INDEX sms_reports_message ON sms_reports USING btree (message_id);

CREATE INDEX sms_reports_unmatched ON sms_reports USING btree (received_at) WHERE (message_id IS NULL);

CREATE TRIGGER applications_audit AFTER INSERT OR DELETE OR UPDATE ON applications FOR EACH ROW EXECUTE FUNCTION audit_change('{created,updated}', '{}', '{client_secret}');

CREATE TRIGGER audit_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();

CREATE TRIGGER auth_group_audit AFTER INSERT OR DELETE OR UPDATE ON auth_group FOR EACH ROW EXECUTE FUNCTION audit_change('{}', '{}', '{}');

CREATE TRIGGER auth_group_permissions_audit AFTER INSERT OR DELETE ON auth_group_permissions FOR EACH ROW EXECUTE FUNCTION audit_grant();

CREATE TRIGGER auth_user_audit AFTER INSERT OR DELETE OR UPDATE ON auth_user FOR EACH ROW EXECUTE FUNCTION audit_change('{last_login,date_joined}', '{}', '{password}');

CREATE TRIGGER auth_user_end_tokens AFTER UPDATE OF password ON auth_user FOR EACH ROW WHEN (((old.password)::text IS DISTINCT FROM (new.password)::text)) EXECUTE FUNCTION end_tokens_of_old_password();

CREATE TRIGGER auth_user_groups_audit AFTER INSERT OR DELETE ON auth_user_groups FOR EACH ROW EXECUTE FUNCTION audit_grant();

CREATE TRIGGER auth_user_user_permissions_audit AFTER INSERT OR DELETE ON auth_user_user_permissions FOR EACH ROW EXECUTE FUNCTION audit_grant();

CREATE TRIGGER customers_audit AFTER INSERT OR DELETE OR UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION audit_change('{created_at,updated_at}', '{phone_number}', '{}');

CREATE TRIGGER identities_audit AFTER INSERT OR DELETE OR UPDATE ON identities FOR EACH ROW EXECUTE FUNCTION audit_change('{}', '{}', '{}');

CREATE TRIGGER orders_audit AFTER INSERT OR DELETE OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION audit_change('{created_at,updated_at}', '{}', '{}');

CREATE TRIGGER orders_tally_delete AFTER DELETE ON orders REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION desk_tally_orders_delete();

CREATE TRIGGER orders_tally_insert AFTER INSERT ON orders REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION desk_tally_orders_insert();

CREATE TRIGGER orders_tally_update AFTER UPDATE ON orders REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION desk_tally_orders_update();

CREATE TRIGGER sms_messages_tally_delete AFTER DELETE ON sms_messages REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION desk_tally_sms_messages_delete();

CREATE TRIGGER sms_messages_tally_insert AFTER INSERT ON sms_messages REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION desk_tally_sms_messages_insert();

CREATE TRIGGER sms_messages_tally_update AFTER UPDATE ON sms_messages REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION desk_tally_sms_messages_update();

CREATE TRIGGER sms_withdraw_with_order BEFORE UPDATE OF order_id ON sms_messages FOR EACH ROW WHEN (((new.order_id IS NULL) AND (old.order_id IS NOT NULL) AND ((old.state)::text <> 'cancelled'::text))) EXECUTE FUNCTION sms_withdraw_with_order();

ALTER TABLE ONLY applications
    ADD CONSTRAINT applications_user_id_ccbebfe7_fk_auth_user_id FOREIGN KEY (user_id) REFERENCES auth_user(id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY auth_group_permissions
    ADD CONSTRAINT auth_group_permissio_permission_id_84c5c92e_fk_auth_perm FOREIGN KEY (permission_id) REFERENCES auth_permission(id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY auth_group_permissions
    ADD CONSTRAINT auth_group_permissions_group_id_b120cbf9_fk_auth_group_id FOREIGN KEY (group_id) REFERENCES auth_group(id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY auth_permission
    ADD CONSTRAINT auth_permission_content_type_id_2f476e4b_fk_django_co FOREIGN KEY (content_type_id) REFERENCES django_content_type(id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY auth_user_groups
    ADD CONSTRAINT auth_user_groups_group_id_97559544_fk_auth_group_id FOREIGN KEY (group_id) REFERENCES auth_group(id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY auth_user_groups
    ADD CONSTRAINT auth_user_groups_user_id_6a12ed8b_fk_auth_user_id FOREIGN KEY (user_id) REFERENCES auth_user(id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY auth_user_user_permissions
    ADD CONSTRAINT auth_user_user_permi_permission_id_1fbb5f2c_fk_auth_perm FOREIGN KEY (permission_id) REFERENCES auth_permission(id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY auth_user_user_permissions
    ADD CONSTRAINT auth_user_user_permissions_user_id_a95ead1b_fk_auth_user_id FOREIGN KEY (user_id) REFERENCES auth_user(id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY authorization_codes
    ADD CONSTRAINT authorization_codes_application_id_5ad2532a_fk_applications_id FOREIGN KEY (application_id) REFERENCES applications(id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY authorization_codes
    ADD CONSTRAINT authorization_codes_user_id_80533e00_fk_auth_user_id FOREIGN KEY (user_id) REFERENCES auth_user(id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY axes_accessattemptexpiration
    ADD CONSTRAINT axes_accessattemptex_access_attempt_id_6b73a47a_fk_axes_acce FOREIGN KEY (access_attempt_id) REFERENCES axes_accessattempt(id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY consents
    ADD CONSTRAINT consents_application_id_c33aa257_fk_applications_id FOREIGN KEY (application_id) REFERENCES applications(id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY consents
    ADD CONSTRAINT consents_user_id_95a55d28_fk_auth_user_id FOREIGN KEY (user_id) REFERENCES auth_user(id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY django_admin_log
    ADD CONSTRAINT django_admin_log_content_type_id_c4bce8eb_fk_django_co FOREIGN KEY (content_type_id) REFERENCES django_content_type(id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY django_admin_log
    ADD CONSTRAINT django_admin_log_user_id_c564eba6_fk_auth_user_id FOREIGN KEY (user_id) REFERENCES auth_user(id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY identities
    ADD CONSTRAINT identities_user_id_24e17a25_fk_auth_user_id FOREIGN KEY (user_id) REFERENCES auth_user(id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY oauth2_provider_accesstoken
    ADD CONSTRAINT oauth2_provider_acce_application_id_b22886e1_fk_applicati FOREIGN KEY (application_id) REFERENCES applications(id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY oauth2_provider_accesstoken
    ADD CONSTRAINT oauth2_provider_acce_id_token_id_85db651b_fk_oauth2_pr FOREIGN KEY (id_token_id) REFERENCES oauth2_provider_idtoken(id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY oauth2_provider_accesstoken
    ADD CONSTRAINT oauth2_provider_acce_source_refresh_token_e66fbc72_fk_oauth2_pr FOREIGN KEY (source_refresh_token_id) REFERENCES oauth2_provider_refreshtoken(id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY oauth2_provider_accesstoken
    ADD CONSTRAINT oauth2_provider_accesstoken_user_id_6e4c9a65_fk_auth_user_id FOREIGN KEY (user_id) REFERENCES auth_user(id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY oauth2_provider_devicegrant
    ADD CONSTRAINT oauth2_provider_devicegrant_user_id_1cec5156_fk_auth_user_id FOREIGN KEY (user_id) REFERENCES auth_user(id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY oauth2_provider_idtoken
    ADD CONSTRAINT oauth2_provider_idto_application_id_08c5ff4f_fk_applicati FOREIGN KEY (application_id) REFERENCES applications(id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY oauth2_provider_idtoken
    ADD CONSTRAINT oauth2_provider_idtoken_user_id_dd512b59_fk_auth_user_id FOREIGN KEY (user_id) REFERENCES auth_user(id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY oauth2_provider_refreshtoken
    ADD CONSTRAINT oauth2_provider_refr_access_token_id_775e84e8_fk_oauth2_pr FOREIGN KEY (access_token_id) REFERENCES oauth2_provider_accesstoken(id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY oauth2_provider_refreshtoken
    ADD CONSTRAINT oauth2_provider_refr_application_id_2d1c311b_fk_applicati FOREIGN KEY (application_id) REFERENCES applications(id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY oauth2_provider_refreshtoken
    ADD CONSTRAINT oauth2_provider_refreshtoken_user_id_da837fce_fk_auth_user_id FOREIGN KEY (user_id) REFERENCES auth_user(id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY orders
    ADD CONSTRAINT orders_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES customers(id) ON DELETE CASCADE;

ALTER TABLE ONLY sms_attempts
    ADD CONSTRAINT sms_attempts_message_id_fkey FOREIGN KEY (message_id) REFERENCES sms_messages(id) ON DELETE CASCADE;

ALTER TABLE ONLY sms_messages
    ADD CONSTRAINT sms_messages_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders(id) ON DELETE SET NULL;

ALTER TABLE ONLY sms_reports
    ADD CONSTRAINT sms_reports_message_id_fkey FOREIGN KEY (message_id) REFERENCES sms_messages(id) ON DELETE CASCADE;


DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm') THEN
        CREATE EXTENSION IF NOT EXISTS pg_trgm;
        CREATE INDEX customers_search_trigrams ON customers
            USING gin ((code || ' ' || name || ' ' || phone_number) gin_trgm_ops);
    END IF;
END
$$;

-- What Django takes as done.
INSERT INTO django_migrations (app, name, applied) VALUES
    ('contenttypes', '0001_initial', CURRENT_TIMESTAMP),
    ('auth', '0001_initial', CURRENT_TIMESTAMP),
    ('accounts', '0001_initial', CURRENT_TIMESTAMP),
    ('oauth2_provider', '0001_initial', CURRENT_TIMESTAMP),
    ('oauth2_provider', '0002_auto_20190406_1805', CURRENT_TIMESTAMP),
    ('oauth2_provider', '0003_auto_20201211_1314', CURRENT_TIMESTAMP),
    ('oauth2_provider', '0004_auto_20200902_2022', CURRENT_TIMESTAMP),
    ('oauth2_provider', '0005_auto_20211222_2352', CURRENT_TIMESTAMP),
    ('oauth2_provider', '0006_alter_application_client_secret', CURRENT_TIMESTAMP),
    ('oauth2_provider', '0007_application_post_logout_redirect_uris', CURRENT_TIMESTAMP),
    ('oauth2_provider', '0008_alter_accesstoken_token', CURRENT_TIMESTAMP),
    ('oauth2_provider', '0009_add_hash_client_secret', CURRENT_TIMESTAMP),
    ('oauth2_provider', '0010_application_allowed_origins', CURRENT_TIMESTAMP),
    ('oauth2_provider', '0011_refreshtoken_token_family', CURRENT_TIMESTAMP),
    ('oauth2_provider', '0012_add_token_checksum', CURRENT_TIMESTAMP),
    ('oauth2_provider', '0013_alter_application_authorization_grant_type_device', CURRENT_TIMESTAMP),
    ('oauth2_provider', '0014_alter_help_text', CURRENT_TIMESTAMP),
    ('oauth2_provider', '0015_refreshtoken_token_checksum', CURRENT_TIMESTAMP),
    ('oauth2_provider', '0016_alter_devicegrant_scope', CURRENT_TIMESTAMP),
    ('oauth2_provider', '0017_application_dcr_created', CURRENT_TIMESTAMP),
    ('oauth2_provider', '0018_resource_indicators', CURRENT_TIMESTAMP),
    ('oauth2_provider', '0019_application_registration_source', CURRENT_TIMESTAMP),
    ('oauth2_provider', '0020_cimd_application_fields', CURRENT_TIMESTAMP),
    ('oauth2_provider', '0021_translatable_field_labels', CURRENT_TIMESTAMP),
    ('oauth2_provider', '0022_refreshtoken_token_family_index', CURRENT_TIMESTAMP),
    ('contenttypes', '0002_remove_content_type_name', CURRENT_TIMESTAMP),
    ('auth', '0002_alter_permission_name_max_length', CURRENT_TIMESTAMP),
    ('auth', '0003_alter_user_email_max_length', CURRENT_TIMESTAMP),
    ('auth', '0004_alter_user_username_opts', CURRENT_TIMESTAMP),
    ('auth', '0005_alter_user_last_login_null', CURRENT_TIMESTAMP),
    ('auth', '0006_require_contenttypes_0002', CURRENT_TIMESTAMP),
    ('auth', '0007_alter_validators_add_error_messages', CURRENT_TIMESTAMP),
    ('auth', '0008_alter_user_username_max_length', CURRENT_TIMESTAMP),
    ('auth', '0009_alter_user_last_name_max_length', CURRENT_TIMESTAMP),
    ('auth', '0010_alter_group_name_max_length', CURRENT_TIMESTAMP),
    ('auth', '0011_update_proxy_permissions', CURRENT_TIMESTAMP),
    ('auth', '0012_alter_user_first_name_max_length', CURRENT_TIMESTAMP),
    ('accounts', '0002_roles', CURRENT_TIMESTAMP),
    ('accounts', '0003_audit', CURRENT_TIMESTAMP),
    ('accounts', '0004_identities', CURRENT_TIMESTAMP),
    ('accounts', '0005_audit_forget', CURRENT_TIMESTAMP),
    ('accounts', '0006_consents', CURRENT_TIMESTAMP),
    ('accounts', '0007_end_tokens', CURRENT_TIMESTAMP),
    ('admin', '0001_initial', CURRENT_TIMESTAMP),
    ('admin', '0002_logentry_remove_auto_add', CURRENT_TIMESTAMP),
    ('admin', '0003_logentry_add_action_flag_choices', CURRENT_TIMESTAMP),
    ('axes', '0001_initial', CURRENT_TIMESTAMP),
    ('axes', '0002_auto_20151217_2044', CURRENT_TIMESTAMP),
    ('axes', '0003_auto_20160322_0929', CURRENT_TIMESTAMP),
    ('axes', '0004_auto_20181024_1538', CURRENT_TIMESTAMP),
    ('axes', '0005_remove_accessattempt_trusted', CURRENT_TIMESTAMP),
    ('axes', '0006_remove_accesslog_trusted', CURRENT_TIMESTAMP),
    ('axes', '0007_alter_accessattempt_unique_together', CURRENT_TIMESTAMP),
    ('axes', '0008_accessfailurelog', CURRENT_TIMESTAMP),
    ('axes', '0009_add_session_hash', CURRENT_TIMESTAMP),
    ('axes', '0010_accessattemptexpiration', CURRENT_TIMESTAMP),
    ('savannah', '0001_throttles', CURRENT_TIMESTAMP),
    ('savannah', '0002_csv', CURRENT_TIMESTAMP),
    ('customers', '0001_initial', CURRENT_TIMESTAMP),
    ('customers', '0002_roles', CURRENT_TIMESTAMP),
    ('customers', '0003_audit', CURRENT_TIMESTAMP),
    ('customers', '0004_finding', CURRENT_TIMESTAMP),
    ('sms', '0001_initial', CURRENT_TIMESTAMP),
    ('orders', '0001_initial', CURRENT_TIMESTAMP),
    ('desk', '0001_initial', CURRENT_TIMESTAMP),
    ('desk', '0002_finding', CURRENT_TIMESTAMP),
    ('desk', '0003_tallies', CURRENT_TIMESTAMP),
    ('desk', '0004_lists', CURRENT_TIMESTAMP),
    ('desk', '0005_counting', CURRENT_TIMESTAMP),
    ('desk', '0006_passing_states', CURRENT_TIMESTAMP),
    ('desk', '0007_rare_states', CURRENT_TIMESTAMP),
    ('desk', '0008_costs_that_are_none', CURRENT_TIMESTAMP),
    ('orders', '0002_roles', CURRENT_TIMESTAMP),
    ('orders', '0003_audit', CURRENT_TIMESTAMP),
    ('orders', '0004_sms_status', CURRENT_TIMESTAMP),
    ('orders', '0005_finding', CURRENT_TIMESTAMP),
    ('orders', '0006_documents_of_text', CURRENT_TIMESTAMP),
    ('orders', '0007_lists', CURRENT_TIMESTAMP),
    ('savannah', '0003_idempotency_keys', CURRENT_TIMESTAMP),
    ('sessions', '0001_initial', CURRENT_TIMESTAMP),
    ('sms', '0002_request_id', CURRENT_TIMESTAMP),
    ('sms', '0003_restorable', CURRENT_TIMESTAMP),
    ('sms', '0004_counted_when_shown', CURRENT_TIMESTAMP),
    ('sms', '0005_awaited', CURRENT_TIMESTAMP),
    ('sms', '0006_awaited_first', CURRENT_TIMESTAMP),
    ('sms', '0007_doubled_phones', CURRENT_TIMESTAMP),
    ('sms', '0008_no_guess', CURRENT_TIMESTAMP),
    ('sms', '0009_withdrawn_in_any_state', CURRENT_TIMESTAMP);

COMMIT;
