#define _DEFAULT_SOURCE /* realpath */
#include "library.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef _WIN32
#include <windows.h>
#define realpath(name, resolved) _fullpath(resolved, name, 0)
#define dlopen(path, flags) ((void *)LoadLibraryA(path))
#define dlsym(handle, symbol) ((void *)GetProcAddress((HMODULE)(handle), symbol))
#define dlerror() "LoadLibrary fails"
#else
#include <dlfcn.h>
#endif

#define KERNEL(function, args) .function##_sized = vloss_##function##_sized,
struct library libraries[MAX_LIBRARIES] = {{.name = "",
                                            LIBRARY_KERNELS(KERNEL).version = vloss_version,
                                            .isa_count = vloss_isa_count,
                                            .isa_name = vloss_isa_name,
                                            .isa_unsupported_reason = vloss_isa_unsupported_reason,
                                            .isa_force = vloss_isa_force,
                                            .loss_info_named = vloss_loss_info_named}};
#undef KERNEL
size_t library_count = 1;
const struct library *library = libraries;
struct variant variants[MAX_VARIANTS];
size_t variant_count;

static bool is_linked_in(const struct library *which) { return !*which->name; }

/* *(void **)&f = dlsym() is how POSIX has a function pointer taken from dlsym. */
static void find(void *handle, const char *symbol, void *function) {
  void *found = dlsym(handle, symbol);
  memcpy(function, &found, sizeof found);
}

static const char *mistake(const char *what, const char *which) {
  static char text[1000];
  snprintf(text, sizeof text, "%s: %s", what, which);
  return text;
}

static char *copy(const char *text, size_t length) {
  char *copied = calloc(length + 1, 1);
  if (!copied) exit(2);
  return memcpy(copied, text, length);
}

const char *library_open(const char *definition) {
  const size_t length = strcspn(definition, ":="), end = strcspn(definition, "=");
  if (!length || definition[end] != '=' || strcspn(definition, "/, \"\\") < end)
    return mistake("not NAME=PATH or NAME:ISA=PATH with a name of letters and digits", definition);
  const size_t given = is_linked_in(libraries) ? 0 : library_count;
  if (given == MAX_LIBRARIES) return mistake("too many libraries", definition);
  for (size_t i = 0; i < given; i++)
    if (strlen(libraries[i].name) == length && strncmp(libraries[i].name, definition, length) == 0)
      return mistake("two libraries of one name", definition);

  char *path = realpath(definition + end + 1, NULL); /* so that dlopen does not search for it */
  if (!path) return mistake("no such file", definition + end + 1);
  void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  free(path);
  if (!handle) return mistake("cannot be loaded", dlerror());

  struct library opened = {.name = NULL};
  bool any = false;
#define KERNEL(function, args)                                         \
  find(handle, "vloss_" #function "_sized", &opened.function##_sized); \
  any |= opened.function##_sized != NULL;
  LIBRARY_KERNELS(KERNEL)
#undef KERNEL
  find(handle, "vloss_version", &opened.version);
  find(handle, "vloss_isa_count", &opened.isa_count);
  find(handle, "vloss_isa_name", &opened.isa_name);
  find(handle, "vloss_isa_unsupported_reason", &opened.isa_unsupported_reason);
  find(handle, "vloss_isa_force", &opened.isa_force);
  find(handle, "vloss_loss_info_named", &opened.loss_info_named);
  if (!opened.isa_count || !opened.isa_name || !opened.isa_unsupported_reason) opened.isa_force = NULL;
  if (!any) return mistake("exports none of the functions of vloss.h", definition);

  if (length < end) {
    opened.isa = copy(definition + length + 1, end - length - 1);
    bool known = false;
    for (size_t i = 0; opened.isa_force && i < opened.isa_count(); i++)
      known |= strcmp(opened.isa_name(i), opened.isa) == 0;
    if (!known) return mistake("no such ISA", opened.isa);
    const char *reason = opened.isa_unsupported_reason(opened.isa);
    if (reason) return mistake(reason, opened.isa);
  }
  opened.name = copy(definition, length);
  libraries[given] = opened;
  library_count = given + 1;
  return NULL;
}

static void add_variant(const struct library *which, const char *isa) {
  if (variant_count == MAX_VARIANTS) return;
  struct variant *variant = &variants[variant_count++];
  *variant = (struct variant){.library = which, .isa = isa};
  const char *separator = isa && !is_linked_in(which) ? ":" : "";
  snprintf(variant->name, sizeof variant->name, "%s%s%s", which->name, separator, isa ? isa : "");
}

static bool has_choice(const struct library *which) { return which->isa_force && !which->isa; }

void library_list_variants(void) {
  for (const struct library *which = libraries; which < libraries + library_count; which++) {
    if (!has_choice(which)) add_variant(which, NULL);
    for (size_t i = 0; has_choice(which) && i < which->isa_count(); i++)
      if (!which->isa_unsupported_reason(which->isa_name(i))) add_variant(which, which->isa_name(i));
  }
}

const struct variant *library_variant(const char *name) {
  for (size_t i = 0; i < variant_count; i++)
    if (strcmp(variants[i].name, name) == 0) return &variants[i];
  return NULL;
}

vloss_status library_use(const char *name) {
  const struct variant *variant = library_variant(name);
  if (!variant) return VLOSS_ERROR_ISA_UNKNOWN;
  library = variant->library;
  const char *isa = variant->isa ? variant->isa : library->isa;
  return isa ? library->isa_force(isa) : VLOSS_OK;
}

bool library_has(const struct library *which, const char *function) {
#define KERNEL(name, args) \
  if (strcmp(function, #name) == 0) return which->name##_sized != NULL;
  LIBRARY_KERNELS(KERNEL)
#undef KERNEL
  return which->loss_sized && (!which->loss_info_named || which->loss_info_named(function));
}

const struct variant *library_counterpart(const struct variant *variant) {
  const struct variant *own = NULL, *best = variants;
  for (const struct variant *v = variants; v < variants + variant_count; v++) {
    if (v->library == variant->library && !own) own = v;
    if (v->library == best->library && variant->library != best->library && v->isa && variant->isa &&
        strcmp(v->isa, variant->isa) == 0)
      return v;
  }
  return variant->library != best->library && (!variant->isa || !best->isa) ? best : own;
}
