"""Operations whose second derivatives cost less than torch's."""
