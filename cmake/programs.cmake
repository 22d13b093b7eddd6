# SPDX-License-Identifier: MIT
#
# Examples (built by default), tests (target `tests`) and benches (target `bench`). A folder that is
# empty gives no program.

set(core $<TARGET_OBJECTS:leat_core>)
set(port $<TARGET_OBJECTS:leat_port>)
add_custom_target(tests)
add_custom_target(bench)

# leat_test(NAME SOURCE...) makes a test program of the sources. LTI_NT says to a test that the
# library it is linked with speaks named pipes.
function(leat_test name)
    add_executable(${name} EXCLUDE_FROM_ALL ${ARGN})
    leat_test_target(${name})
    if(WIN32)
        target_compile_definitions(${name} PRIVATE LTI_NT=1)
    endif()
    add_dependencies(tests ${name})
endfunction()
function(leat_test_nt name)
    leat_test(${name} ${ARGN})
    target_compile_definitions(${name} PRIVATE LTI_NT=1)
endfunction()

# ---- Windows' port on every system ---------------------------------------------------------------

# It has no system header, so it is compiled here too: the pure modules for the unit tests, the port
# for the simulated kernel's named pipes.
if(NOT WIN32)
    set(nt_port_sources ${windows_sources})
    set(nt_pure_sources ${windows_sources})
    list(FILTER nt_port_sources INCLUDE REGEX "/port_windows[^/]*$")
    list(FILTER nt_pure_sources EXCLUDE REGEX "/port_windows[^/]*$")
    add_library(leat_nt_pure OBJECT EXCLUDE_FROM_ALL ${nt_pure_sources})
    leat_target(leat_nt_pure)
    set(pure $<TARGET_OBJECTS:leat_nt_pure>)
    if(nt_port_sources)
        add_library(leat_port_windows OBJECT EXCLUDE_FROM_ALL ${nt_port_sources})
        leat_target(leat_port_windows)
        set(nt_port $<TARGET_OBJECTS:leat_port_windows> ${pure})
    endif()
endif()

# ---- The objects behind the system seam ----------------------------------------------------------

# The fault object takes the seam's names and forwards to the real functions, which are compiled a
# second time under other names for it.
leat_glob(fault_seam HERE test/os_fault*.c)
add_library(leat_os_fault OBJECT EXCLUDE_FROM_ALL ${fault_seam})
leat_test_target(leat_os_fault)
add_library(leat_os_real_renamed OBJECT EXCLUDE_FROM_ALL ${real_sources})
leat_target(leat_os_real_renamed)
target_compile_options(leat_os_real_renamed PRIVATE
    -include ${PROJECT_SOURCE_DIR}/test/os_fault_rename.h)
leat_uring(leat_os_real_renamed)
set(fault $<TARGET_OBJECTS:leat_os_fault> $<TARGET_OBJECTS:leat_os_real_renamed>)

# One simulated kernel has both personalities; it runs on POSIX systems.
if(NOT WIN32)
    file(GLOB sim_seam CONFIGURE_DEPENDS test/os_sim/*.c)
    list(FILTER sim_seam EXCLUDE REGEX "_test\\.c$")
    add_library(leat_os_sim OBJECT EXCLUDE_FROM_ALL ${sim_seam})
    leat_test_target(leat_os_sim)
    set(sim $<TARGET_OBJECTS:leat_os_sim>)
    # For users' tests: all of leat over it, with names that are nobody else's.
    file(GLOB sim_public CONFIGURE_DEPENDS test/os_sim/public/*.c)
    add_library(leat_sim STATIC ${core} ${port} ${sim_seam} ${sim_public})
    leat_test_target(leat_sim)
    target_compile_options(leat_sim PRIVATE
        -include ${PROJECT_SOURCE_DIR}/test/os_sim/public/rename.h)
    target_include_directories(leat_sim INTERFACE
        $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
    set_target_properties(leat_sim PROPERTIES EXPORT_NAME sim LINKER_LANGUAGE C)
    # The fault object of named pipes stands before it, too.
    leat_glob(fault_seam_nt NT test/os_fault*.c)
    add_library(leat_os_fault_nt OBJECT EXCLUDE_FROM_ALL ${fault_seam_nt})
    leat_test_target(leat_os_fault_nt)
    target_compile_definitions(leat_os_fault_nt PRIVATE LTI_FAULT_NT=1)
    add_library(leat_os_sim_renamed OBJECT EXCLUDE_FROM_ALL ${sim_seam})
    leat_test_target(leat_os_sim_renamed)
    target_compile_options(leat_os_sim_renamed PRIVATE
        -include ${PROJECT_SOURCE_DIR}/test/os_fault_rename.h)
    set(fault_nt $<TARGET_OBJECTS:leat_os_fault_nt> $<TARGET_OBJECTS:leat_os_sim_renamed>)
    file(GLOB sim_pipe CONFIGURE_DEPENDS test/os_sim/sim_pipe*.c)
endif()

leat_glob(harness HERE test/harness.c test/harness_posix.c test/harness_windows.c)
set(history ${PROJECT_SOURCE_DIR}/test/history.c)

# ---- The suites ----------------------------------------------------------------------------------

file(GLOB sources CONFIGURE_DEPENDS src/*_test.c)
if(WIN32)
    list(FILTER sources EXCLUDE REGEX "_posix_[^/]*$")
else()
    list(FILTER sources EXCLUDE REGEX "/port_windows[^/]*$")
endif()
# These want the linker to lead calls to them.
list(FILTER sources EXCLUDE REGEX "_answers_test")
leat_test(unit_tests ${sources} ${harness} ${core} ${port} ${pure} ${fault})

if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    leat_test(port_answers test/port_posix_answers_test.c test/port_posix_ring_test.c
        test/port_calls_posix.c ${harness} ${core} ${port} ${fault})
    foreach(call send socket accept connect connect_node open_node node_mode mkdir event_set
            socket_facts peer peer_process peer_label peer_groups lock poller_modify recv
            recv_packet lstat fstat place fork_count)
        target_link_options(port_answers PRIVATE -Wl,--wrap=lti_os_${call})
    endforeach()
    target_link_options(port_answers PRIVATE -Wl,--wrap=lti_unasked_may_come)
endif()

leat_glob(sources HERE test/conformance/*.c test/conformance_real/*.c)
if(WIN32)
    leat_glob(more HERE test/conformance_nt/*.c)
    list(APPEND sources ${more})
endif()
leat_test(conformance_real ${sources} ${harness} ${core} ${port} ${fault})

# The same probes of what lies below the seam, once for each kernel: what differs is a lie of the
# simulation.
file(GLOB contract_nt CONFIGURE_DEPENDS test/contract_nt/*_test.c)
if(WIN32 AND contract_nt)
    leat_test(contract_nt ${contract_nt} src/os_nt_code.c ${harness} ${fault})
endif()

# On other systems test/harness_selftest.sh builds it, also with sanitizers.
if(WIN32)
    leat_glob(sources HERE test/harness_test*.c)
    leat_test(harness_test ${sources} ${harness})
endif()

# What test/process/windows_peer_test.py plays leat against: a peer of Windows calls alone, and a
# program that tells what leat tells it.
if(WIN32)
    add_executable(windows_peer EXCLUDE_FROM_ALL test/process/windows_peer.c)
    add_executable(windows_driver EXCLUDE_FROM_ALL test/process/windows_driver.c)
    target_link_libraries(windows_driver PRIVATE leat_static)
    foreach(program windows_peer windows_driver)
        leat_program(${program})
        add_dependencies(tests ${program})
    endforeach()
endif()

# What test/process/packets_test.py plays other programs against: the command speaks no packets.
add_executable(packets_peer EXCLUDE_FROM_ALL test/process/packets_peer.c)
target_link_libraries(packets_peer PRIVATE leat_static)
leat_program(packets_peer)
add_dependencies(tests packets_peer)

leat_test(history_test test/history_test.c ${history} ${harness} ${core} ${port} ${fault})

leat_glob(sources HERE test/fault/*.c)
leat_test(fault_sweep ${sources} ${core} ${port} ${fault})

# What is asked of the library for long, at once, or by many.
leat_glob(sources HERE test/stress/*.c)
leat_test(stress ${sources} ${history} ${harness} ${core} ${port} ${fault})

# A day's load. It looks at its processes by /proc.
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    leat_glob(sources HERE test/soak/*.c)
    leat_test(soak ${sources} test/stress/kit_end.c test/stress/kit_posix.c ${history} ${harness}
        ${core} ${port} ${fault})
endif()

if(NOT WIN32)
    leat_glob(sources HERE test/conformance/*.c)
    leat_test(conformance_sim ${sources} ${harness} ${core} ${port} ${sim})
    leat_glob(sources HERE test/sim/*.c)
    leat_test(sim_run ${sources} ${history} ${core} ${port} ${sim})

    # From the outside, as a user has it.
    file(GLOB sources CONFIGURE_DEPENDS test/sim_public/*_test.c)
    leat_test(sim_public_test ${sources} ${harness})
    target_link_libraries(sim_public_test PRIVATE leat_sim)
    leat_test(sim_hours test/sim_hours/sim_hours.c)
    target_link_libraries(sim_hours PRIVATE leat_sim)

    leat_glob(sources HERE test/sim_who/*.c)
    leat_test(sim_who_test ${sources} ${harness} ${core} ${port} ${sim})

    # The simulated kernel's controls have tests of their own, which need it.
    file(GLOB probes CONFIGURE_DEPENDS test/os_sim/*_test.c)
    leat_test(sim_kernel_test ${probes} ${harness} ${sim})
    # For the differences between the kernels that are known.
    target_compile_definitions(sim_kernel_test PRIVATE LTI_KERNEL_SIM=1)
    list(FILTER probes EXCLUDE REGEX "/sim_[^/]*(control|pipe|queue|who)[^/]*$")
    file(GLOB more CONFIGURE_DEPENDS test/os_sim/real_only/*_test.c)
    leat_test(real_kernel_test ${probes} ${more} ${harness} ${fault})
endif()

# The same tests, where every hub reads ahead or has io_uring unless it says otherwise, and does so
# even for one connection: so nearly each read is made that way. Simulated, that needs no liburing.
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    foreach(backend ahead uring)
        string(TOUPPER ${backend} word)
        foreach(objects core port)
            add_library(leat_${objects}_${backend} OBJECT EXCLUDE_FROM_ALL ${${objects}_sources})
            leat_target(leat_${objects}_${backend})
            target_compile_definitions(leat_${objects}_${backend} PRIVATE
                LTI_BACKEND_USUAL=LEAT_BACKEND_${word} LTI_RING_LINKS_MIN=1)
        endforeach()
        set(leat $<TARGET_OBJECTS:leat_core_${backend}> $<TARGET_OBJECTS:leat_port_${backend}>)
        leat_test(conformance_sim_${backend} $<TARGET_OBJECTS:conformance_sim> ${leat} ${sim})
        leat_test(sim_run_${backend} $<TARGET_OBJECTS:sim_run> ${leat} ${sim})
        set(programs conformance_sim_${backend} sim_run_${backend})
        if(LEAT_HAVE_URING OR backend STREQUAL "ahead")
            leat_test(conformance_real_${backend} $<TARGET_OBJECTS:conformance_real> ${leat}
                ${fault})
            leat_test(attack_tests_${backend} $<TARGET_OBJECTS:attack_tests> ${leat} ${fault})
            leat_test(stress_${backend} $<TARGET_OBJECTS:stress> ${leat} ${fault})
            list(APPEND programs conformance_real_${backend} attack_tests_${backend}
                stress_${backend})
        endif()
        set_target_properties(${programs} PROPERTIES LINKER_LANGUAGE C)
    endforeach()
endif()

# The pollers of other systems, on Linux: poll is there; kqueue is a model in test/kqueue_model.
# Only the real objects are compiled anew; the conformance tests are those from above.
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    file(GLOB sources CONFIGURE_DEPENDS test/pollers/*_test.c)
    leat_test(pollers_epoll ${sources} ${harness} ${fault})
    file(GLOB kqueue_model CONFIGURE_DEPENDS test/kqueue_model/*.c)
    foreach(poller poll kqueue)
        set(real leat_os_real_renamed_${poller})
        add_library(${real} OBJECT EXCLUDE_FROM_ALL ${real_sources})
        leat_target(${real})
        target_compile_options(${real} PRIVATE
            -include ${PROJECT_SOURCE_DIR}/test/os_fault_rename.h)
        leat_poller(${real} ${poller})
        if(NOT poller STREQUAL "kqueue") # no system has both: so this is the build without liburing
            leat_uring(${real})
        endif()
        set(seam $<TARGET_OBJECTS:leat_os_fault> $<TARGET_OBJECTS:${real}>)
        if(poller STREQUAL "kqueue")
            add_library(kqueue_model OBJECT EXCLUDE_FROM_ALL ${kqueue_model})
            foreach(objects kqueue_model ${real})
                target_include_directories(${objects} PRIVATE test/kqueue_model)
            endforeach()
            target_compile_options(kqueue_model PRIVATE ${LEAT_WARNINGS})
            list(APPEND seam $<TARGET_OBJECTS:kqueue_model>)
        endif()
        leat_test(pollers_${poller} $<TARGET_OBJECTS:pollers_epoll> ${seam})
        leat_test(conformance_real_${poller} $<TARGET_OBJECTS:conformance_real> ${core} ${port}
            ${seam})
        set_target_properties(pollers_${poller} conformance_real_${poller} PROPERTIES
            LINKER_LANGUAGE C)
    endforeach()
endif()

# What the real objects make of a C library that fails: the linker leads its calls to the tests.
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    set(calls setsockopt getsockopt getrlimit socketpair connect poll epoll_wait pipe read write
        chmod access clock_gettime pthread_once pthread_atfork pthread_create kevent malloc
        fcntl recvmsg abort sched_getaffinity syscall)
    if(LEAT_HAVE_URING)
        list(APPEND calls io_uring_queue_init io_uring_ring_dontfork io_uring_get_probe_ring
            io_uring_submit_and_wait io_uring_queue_exit __io_uring_get_cqe)
    endif()
    list(TRANSFORM calls PREPEND "-Wl,--wrap=")
    leat_glob(sources HERE test/os_calls/*.c)
    leat_test(os_calls_epoll ${sources} ${harness} ${fault})
    foreach(poller poll kqueue)
        set(seam $<TARGET_OBJECTS:leat_os_fault> $<TARGET_OBJECTS:leat_os_real_renamed_${poller}>)
        if(poller STREQUAL "kqueue")
            list(APPEND seam $<TARGET_OBJECTS:kqueue_model>)
        endif()
        leat_test(os_calls_${poller} ${sources} ${harness} ${seam})
        leat_poller(os_calls_${poller} ${poller})
    endforeach()
    leat_uring(os_calls_epoll)
    leat_uring(os_calls_poll)
    foreach(poller epoll poll kqueue)
        target_link_options(os_calls_${poller} PRIVATE ${calls})
    endforeach()
elseif(WIN32 AND CMAKE_SIZEOF_VOID_P EQUAL 8) # with 32 bits a name has the size of its arguments
    # A call goes by a pointer, save where a header does not know that it is a DLL's.
    set(calls BCryptGenRandom NtQueryInformationFile abort)
    foreach(call CheckTokenMembership CloseHandle ConnectNamedPipe ConvertSidToStringSidA
            ConvertStringSidToSidA CreateEventW CreateIoCompletionPort CreateThread GetAce
            GetFileType GetNamedPipeServerProcessId GetProcessAffinityMask GetProcessTimes
            GetQueuedCompletionStatusEx GetSecurityDescriptorDacl GetSecurityInfo
            GetTokenInformation HeapAlloc OpenProcessToken OpenThreadToken
            PostQueuedCompletionStatus ReadFile ResetEvent RevertToSelf SetEvent
            SetFileCompletionNotificationModes SetThreadToken WaitForSingleObject)
        list(APPEND calls __imp_${call})
    endforeach()
    list(TRANSFORM calls PREPEND "-Wl,--wrap=")
    leat_glob(sources HERE test/os_calls/*.c)
    leat_test(os_calls ${sources} src/os_nt_code.c ${harness} ${fault})
    target_link_options(os_calls PRIVATE ${calls})
endif()

# Attacks, by other users where that is what they are about, and Qt's defects. They are about Linux.
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    file(GLOB sources CONFIGURE_DEPENDS test/attacks/*.c)
    set(more ${sources})
    list(FILTER more INCLUDE REGEX "/(attack|qt)_[^/]*$")
    list(FILTER sources EXCLUDE REGEX "/qt_[^/]*$")
    leat_test(attack_tests ${sources} ${harness} ${core} ${port} ${fault})
    leat_test(qt_defects ${more} ${harness} ${core} ${port} ${fault})
endif()

# What becomes of the shipped library when the system kills, stops and refuses. It is linked as
# programs link it. kill_actor is one part by itself, for strace.
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    file(GLOB sources CONFIGURE_DEPENDS test/kill/*.c)
    list(FILTER sources EXCLUDE REGEX "/actor_main\\.c$")
    leat_test(kill_tests ${sources} ${harness})
    leat_test(kill_actor test/kill/actor.c test/kill/actor_main.c)
    foreach(program kill_tests kill_actor)
        target_link_libraries(${program} PRIVATE leat_shared)
    endforeach()
endif()

# Named pipes of the simulated kernel.
if(sim_pipe)
    file(GLOB more CONFIGURE_DEPENDS test/contract_nt/sim_only/*_test.c)
    if(contract_nt OR more)
        leat_test_nt(contract_nt_sim ${contract_nt} ${more} src/os_nt_code.c ${harness} ${sim})
    endif()
    if(nt_port)
        leat_glob(sources NT test/conformance/*.c test/conformance_nt/*.c)
        file(GLOB more CONFIGURE_DEPENDS test/conformance_nt/sim_only/*.c)
        leat_test_nt(conformance_sim_nt ${sources} ${more} ${harness} ${core} ${nt_port} ${sim})
    endif()
    if(nt_port)
        leat_glob(sources NT test/sim_who/*.c)
        leat_test_nt(sim_who_test_nt ${sources} ${harness} ${core} ${nt_port} ${sim})
    endif()
    file(GLOB more CONFIGURE_DEPENDS src/port_windows*_test.c)
    if(nt_port AND more)
        set(answers test/port_calls_nt.c)
        if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux") # not every linker can lead calls elsewhere
            list(FILTER more EXCLUDE REGEX "_answers_test")
            set(answers "")
        endif()
        leat_test_nt(unit_tests_nt ${more} ${answers} ${harness} ${core} ${nt_port} ${sim})
        foreach(call identity pipe_label pipe_owner pipe_client pipe_facts pipe_peer_pid
                security_create pipe_read pipe_write pipe_create pipe_listen signal_create
                signal_wait thread_start thread_join queue_wait)
            if(answers)
                target_link_options(unit_tests_nt PRIVATE -Wl,--wrap=lti_os_${call})
            endif()
        endforeach()
    endif()
    if(nt_port)
        leat_glob(sources NT test/fault/*.c)
        leat_test_nt(fault_sweep_nt ${sources} ${core} ${nt_port} ${fault_nt})
        target_compile_definitions(fault_sweep_nt PRIVATE LTI_FAULT_NT=1)
    endif()
    file(GLOB sources CONFIGURE_DEPENDS test/fault_nt/*.c)
    leat_test_nt(fault_object_nt ${sources} src/os_nt_code.c ${harness} ${fault_nt})
    target_compile_definitions(fault_object_nt PRIVATE LTI_FAULT_NT=1)
    leat_glob(more WINDOWS test/sim/*.c)
    if(nt_port AND more)
        leat_glob(sources NT test/sim/*.c)
        leat_test_nt(sim_run_nt ${sources} ${history} ${core} ${nt_port} ${sim})
    endif()
endif()

include(cmake/fuzz.cmake)

# ---- Examples ------------------------------------------------------------------------------------

leat_glob(examples HERE examples/*.c)
foreach(source ${examples})
    get_filename_component(name ${source} NAME_WE)
    add_executable(example_${name} ${source})
    leat_program(example_${name})
    set_target_properties(example_${name} PROPERTIES
        OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/examples)
    if(name MATCHES "simulated")
        target_link_libraries(example_${name} PRIVATE leat_sim)
    else()
        target_link_libraries(example_${name} PRIVATE leat_static)
    endif()
endforeach()

include(cmake/bench.cmake)
