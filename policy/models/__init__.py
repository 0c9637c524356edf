from policy.models.extensions import Extension, ExtensionVersion

__all__ = ("Extension", "ExtensionVersion")
