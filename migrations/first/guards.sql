create function holdfast_append_only() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only: a correction is a new row', tg_table_name
        using errcode = 'restrict_violation';
end
$$;

do $$
begin
    if exists (
        select from pg_settings
        where name = 'default_toast_compression' and 'lz4' = any (enumvals)
    ) then
        alter table inbox alter column body set compression lz4;
    end if;
end
$$;

alter table inbox set (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);

alter table actions set (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

grant usage on schema public to holdfast_app, holdfast_system;
