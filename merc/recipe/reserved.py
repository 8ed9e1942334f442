"""Names that a part of a model cannot have: those of torch's containers of modules, which hold the parts by name."""

from __future__ import annotations

_NAMES = """
T_destination add_module apply bfloat16 buffers call_super_init children clear compile components copy cpu cuda
double dump_patches eval extra_repr float forward fromkeys get get_buffer get_extra_state get_parameter
get_submodule half ipu items keys load_state_dict modules mtia named_buffers named_children named_modules
named_parameters outputs parameters pop popitem register_backward_hook register_buffer register_forward_hook
register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook
register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module register_parameter
register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ rows set_extra_state set_submodule
setdefault share_memory smart_apply state_dict to to_empty train training type update values values_of xpu zero_grad
"""
RESERVED = frozenset(_NAMES.split())
"""Written down, since a recipe is checked before torch is imported; a test holds them against torch's own."""
