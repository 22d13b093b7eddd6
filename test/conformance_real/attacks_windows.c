/* SPDX-License-Identifier: MIT
 *
 * Attacks with handles, sections and named objects (W19 to W22, W25), made for real. leat takes no
 * handle of a peer's, shares no memory and gives nothing but pipes a name: these show that. When it
 * does one of these, they are to be attacks on that.
 *
 * Happy path: what is offered is refused, and what is taken is not missed.
 * Fails:      a handle that is taken for a connection, memory that somebody else could write to, a
 *             name that is not only a pipe's, a process that cannot be asked and is told even so.
 * Invariants: what is made here is closed here.
 */
#include "conformance/kit_nt.h"
#include "helpers_windows.h"

#include <sddl.h>
#include <stdio.h>
#include <string.h>

#define SECTION_BYTES 65536u

/* Refused, and still its owner's. */
static void adopt_refused(struct leat_hub *hub, intptr_t handle)
{
    leat_conn conn = {77};
    CHECK_ERROR(leat_adopt_conn(hub, handle, 1, NULL, &conn), LEAT_E_HANDLE);
    CHECK_INT(conn.id, 77);
    CHECK_INT(kit_hub_info(hub).conns, 0);
}

/* Pseudo handles of this process, its thread and its tokens, numbers that are no handle, and more
 * than 32 bits have. */
TEST(attack_w19_false_handles)
{
    static const int64_t values[] = {0, -1, -2, -4, -6, 3, INT64_C(1) << 31, -(INT64_C(1) << 31)};
    struct leat_hub *hub = kit_begin();
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        adopt_refused(hub, (intptr_t)values[i]);
    kit_end(hub);
}

/* Regions of this process that another one could have too, and that may be written to. */
static size_t shared_and_writable(void)
{
    const DWORD writable = PAGE_READWRITE | PAGE_WRITECOPY | PAGE_EXECUTE_READWRITE;
    MEMORY_BASIC_INFORMATION region;
    size_t bytes = 0;
    for (char *at = NULL; VirtualQuery(at, &region, sizeof region) != 0;
         at = (char *)region.BaseAddress + region.RegionSize)
        if (region.State == MEM_COMMIT && region.Type == MEM_MAPPED &&
            (region.Protect & writable) != 0)
            bytes += region.RegionSize;
    return bytes;
}

/* Nothing of leat's, at work, is in memory that a peer could have. */
TEST(attack_w20_no_memory_is_shared)
{
    size_t before = shared_and_writable();
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_messages);
    leat_listener listener = kit_listen(hub, kit_path("server"), NULL);
    struct kit_ends more = kit_open(hub, listener, kit_path("server"), NULL);
    (void)kit_fill(hub, more.dialled, 0);
    kit_send_text(hub, ends.dialled, "to see");
    kit_receive_text(hub, ends.accepted, "to see");
    CHECK_INT(shared_and_writable(), before);
    /* The look finds one that is there. */
    HANDLE section =
        CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, SECTION_BYTES, NULL);
    REQUIRE(section != NULL);
    void *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    REQUIRE(view != NULL);
    CHECK_INT(shared_and_writable(), before + SECTION_BYTES);
    CHECK(UnmapViewOfFile(view) && CloseHandle(section));
    kit_end(hub);
}

/* A section is no connection, whatever it is made of, and however large it says it is. */
TEST(attack_w21_section_that_is_offered)
{
    static const DWORD kinds[] = {PAGE_READWRITE, PAGE_READONLY, PAGE_READWRITE | SEC_RESERVE};
    struct leat_hub *hub = kit_begin();
    char path[MAX_PATH];
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        HANDLE section =
            CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, kinds[i], 0, SECTION_BYTES, NULL);
        REQUIRE(section != NULL);
        adopt_refused(hub, (intptr_t)section);
        CHECK(CloseHandle(section));
    }
    REQUIRE(GetModuleFileNameA(NULL, path, sizeof path) > 0);
    HANDLE file = CreateFileA(path, GENERIC_READ | GENERIC_EXECUTE, FILE_SHARE_READ, NULL,
                              OPEN_EXISTING, 0, NULL);
    REQUIRE(file != INVALID_HANDLE_VALUE);
    HANDLE image = CreateFileMappingA(file, NULL, PAGE_READONLY | SEC_IMAGE, 0, 0, NULL);
    REQUIRE(image != NULL);
    adopt_refused(hub, (intptr_t)file);
    adopt_refused(hub, (intptr_t)image);
    CHECK(CloseHandle(image) && CloseHandle(file));
    kit_end(hub);
}

/* Whoever takes the name for other kinds of objects takes nothing that leat has. */
TEST(attack_w22_named_objects)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("server");
    const char *word = strrchr(name, '\\') + 1;
    char global[300];
    (void)snprintf(global, sizeof global, "Global\\%s", word);
    HANDLE mutex = CreateMutexA(NULL, TRUE, word);
    HANDLE section =
        CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, SECTION_BYTES, global);
    REQUIRE(mutex != NULL && section != NULL);
    leat_listener listener = kit_listen(hub, name, NULL);
    struct kit_ends ends = kit_open(hub, listener, name, NULL);
    kit_write_text(hub, ends.dialled, "as ever");
    kit_read_text(hub, ends.accepted, "as ever");
    CHECK(CloseHandle(mutex) && CloseHandle(section));
    kit_end(hub);
}

/* Nobody may do anything with it. Then it connects. */
TEST_ON_DEMAND(helper_closed, 120)
{
    struct leat_hub *hub = kit_begin();
    PSECURITY_DESCRIPTOR nobody = NULL;
    leat_conn conn;
    REQUIRE(ConvertStringSecurityDescriptorToSecurityDescriptorA("D:P", SDDL_REVISION_1, &nobody,
                                                                 NULL));
    REQUIRE(SetKernelObjectSecurity(GetCurrentProcess(), DACL_SECURITY_INFORMATION, nobody));
    CHECK(LocalFree(nobody) == NULL);
    REQUIRE_ERROR(leat_connect_wait(hub, helper_name(), NULL, &conn), LEAT_OK);
    kit_write_text(hub, conn, "here");
    helper_stay();
}

/* The peer's process lets nobody open it: that is told, and the peer is known by its token. */
TEST_TIMEOUT(attack_w25_process_that_nobody_may_open, 120)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("server");
    leat_listener listener = kit_listen(hub, name, NULL);
    struct helper helper = helper_start("helper_closed", name, false);
    struct leat_peer peer = {.size = sizeof peer};
    leat_conn conn;
    intptr_t process = 77;
    REQUIRE_ERROR(leat_wait_accepted(hub, listener, 60000, &conn), LEAT_OK);
    kit_read_text(hub, conn, "here");
    CHECK_ERROR(leat_peer_get(hub, conn, &peer), LEAT_OK);
    CHECK_STR(peer.user, kit_own_sid());
    CHECK_ERROR(leat_peer_process(hub, conn, &process), LEAT_E_DENIED);
    CHECK_INT(process, 77);
    CHECK_INT(helper_end(&helper, true), 1);
    kit_end(hub);
}
